# A join credentials: what another host needs to join as a control-plane node, good for 2 hours.

PKI=/etc/kubernetes/pki
ADMIN=/etc/kubernetes/admin.conf
APISERVER=/etc/kubernetes/manifests/kube-apiserver.yaml

unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

argument() {
  sed -n "s/^ *- --$1=//p" "$APISERVER" | head -n 1
}

# admin.conf with the own API server: the endpoint may be the very host that asks.
own_admin() {
  own=$(argument advertise-address)
  case $own in *:*) own="[$own]" ;; esac
  sed "s|^\( *server:\) .*|\1 https://$own:$(argument secure-port)|" "$ADMIN" >"$work/admin.conf"
}

own_api_ready() {
  kubectl --kubeconfig "$work/admin.conf" --cache-dir "$work/cache" --request-timeout 10s get --raw /readyz
}

# The same key for the same joining host, on whichever control-plane node it is made: join credentials of several control-plane nodes replace the uploaded certificates
# of each other, and must all still open them. Nobody without the cluster CA's key can compute it.
certificate_key() {
  { cat "$PKI/ca.key" && printf '%s %s' "$FOR" "$GENERATION"; } | sha256sum | cut -d ' ' -f 1
}

upload_certs() {
  cat >"$work/upload.yaml" <<YAML
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
certificateKey: $(certificate_key)
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $(kubeadm version --output short)
YAML
  kubeadm init phase upload-certs --upload-certs --skip-certificate-key-print --config "$work/upload.yaml" --kubeconfig "$work/admin.conf" >"$work/log" 2>&1 || {
    tail -n 10 "$work/log" >&2
    fail "kubeadm init phase upload-certs failed: see above"
  }
}

# `TOKEN HASH` out of the command line that kubeadm prints.
new_token() {
  kubeadm token create --ttl 2h0m0s --description "$PRODUCT: $FOR joins" --print-join-command --kubeconfig "$work/admin.conf" 2>"$work/log" |
    sed -n 's/.*--token  *\([a-z0-9.]*\)  *--discovery-token-ca-cert-hash  *\(sha256:[0-9a-f]*\).*/\1 \2/p' | grep . || {
    tail -n 10 "$work/log" >&2
    fail "kubeadm token create failed: see above"
  }
}

ticket() {
  # Nothing of a cluster, or only what an interrupted run has left half-made: the cluster is elsewhere or nowhere.
  if [ ! -e "$APISERVER" ] || [ ! -e "$ADMIN" ] || [ -e "$STATE/bootstrap-started" ] || [ -e "$STATE/bootstrap-leaving" ]; then
    echo absent
    return
  fi
  # kubeadm encrypts the certificates with a key that is derived from this one, and uploads it with them.
  [ -s "$PKI/ca.key" ] ||
    fail "there is no $PKI/ca.key on this control-plane node, so its certificates cannot be uploaded for $FOR; no token was created. Copy the key of the cluster's CA to this host, then run this again (kubeadm's external CA mode is not supported)"
  own_admin
  wait_for 120 own_api_ready ||
    fail "this host is a master, but its API server does not become ready, so no ticket can be made for $FOR: see journalctl -u kubelet; with other masters down, etcd has no quorum: start them"
  token=$(new_token)
  upload_certs
  printf 'ticket %s\n' "$(printf '{"token":"%s","caCertHashes":["%s"],"certificateKey":"%s","caCert":"%s"}' \
    "${token% *}" "${token#* }" "$(certificate_key)" "$(base64 <"$PKI/ca.crt" | tr -d '\n')" | base64 | tr -d '\n')"
}

(
  umask 077
  work=$(mktemp -d "/run/$PRODUCT-ticket.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  ticket
)
