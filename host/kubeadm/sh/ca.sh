# The cluster's CA before the cluster: load balancers trust it alone, from their first moment on.

# print_ca [again]: that of the join credentials unless it was rotated since, else the host's own,
# else a new one. `again` when an earlier run has printed one, which load balancers trust.
print_ca() {
  again=${1:-}
  resumed=
  open_run_folder
  (
    trap 'rm -rf "$RUN"' EXIT
    check_join_credentials
    finish_leaving
    cluster_ca >"$RUN/ca.crt"
    if [ -s "$RUN/ca.crt" ] && ! is_of_this_cluster; then
      cat "$RUN/ca.crt"
      return
    fi
    [ -s "$PKI/ca.crt" ] || create_ca
    [ -s "$PKI/ca.key" ] || [ -e "$MANIFESTS/kube-apiserver.yaml" ] || refuse_external_ca
    cat "$PKI/ca.crt"
  )
}

create_ca() {
  check_may_create
  write_init_config
  part_claim
  mark "$CA_CREATED" created
  kubeadm init phase certs ca --config "$RUN/init.yaml" >"$RUN/log" 2>&1 || {
    tail -n 10 "$RUN/log" >&2
    fail "kubeadm init phase certs ca failed: see above"
  }
  mark "$CA_CREATED" "$(sha256sum <"$PKI/ca.crt")"
}
