# Issues join credentials for another control-plane node, valid for 2 hours.

APISERVER="$MANIFESTS/kube-apiserver.yaml"

argument() {
  sed -n "s/^ *- --$1=//p" "$APISERVER" | head -n 1
}

# admin.conf with the own API server: the endpoint may be the host that is to join.
own_admin() {
  own=$(argument advertise-address)
  case $own in *:*) own="[$own]" ;; esac
  sed "s|^\( *server:\) .*|\1 https://$own:$(argument secure-port)|" "$ADMIN" >"$work/admin.conf"
}

own_api_ready() {
  kubectl --kubeconfig "$work/admin.conf" --cache-dir "$work/cache" --request-timeout 10s get --raw /readyz
}

# One key per joining node, the same on every control-plane node: each upload replaces the others',
# and all join credentials must still decrypt it. Computing it takes the CA's private key.
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

# Prints `TOKEN HASH`, taken from the command line that kubeadm prints.
create_token() {
  kubeadm token create --ttl 2h0m0s --description "$PRODUCT: $FOR joins" --print-join-command --kubeconfig "$work/admin.conf" 2>"$work/log" |
    sed -n 's/.*--token  *\([a-z0-9.]*\)  *--discovery-token-ca-cert-hash  *\(sha256:[0-9a-f]*\).*/\1 \2/p' | grep . || {
    tail -n 10 "$work/log" >&2
    fail "kubeadm token create failed: see above"
  }
}

print_join_credentials() {
  # No cluster here, or only what an interrupted run left: the cluster is elsewhere, if anywhere.
  if [ ! -e "$APISERVER" ] || [ ! -e "$ADMIN" ] || [ -e "$KUBEADM_STARTED" ] || [ -e "$KUBEADM_LEAVING" ]; then
    echo "absent $(date +%s)"
    return
  fi
  # The certificate key is derived from this one, and kubeadm uploads it.
  [ -s "$PKI/ca.key" ] ||
    fail "there is no $PKI/ca.key on this control-plane node, so its certificates cannot be uploaded for $FOR; no token was created. Copy the key of the cluster's CA to this host, then run this again (kubeadm's external CA mode is not supported)"
  own_admin
  wait_for 120 own_api_ready ||
    fail "this host is a control-plane node, but its API server is not ready after 120 s, so it cannot issue join credentials for $FOR: see journalctl -u kubelet. When other control-plane nodes are down, etcd has no quorum: start them"
  token=$(create_token)
  upload_certs
  printf 'join-credentials %s\n' "$(printf '{"token":"%s","caCertHashes":["%s"],"certificateKey":"%s","caCert":"%s"}' \
    "${token% *}" "${token#* }" "$(certificate_key)" "$(base64 <"$PKI/ca.crt" | tr -d '\n')" | base64 | tr -d '\n')"
}

(
  umask 077
  work=$(mktemp -d "/run/$PRODUCT-join-credentials.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  print_join_credentials
)
