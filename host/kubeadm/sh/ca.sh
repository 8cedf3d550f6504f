# The cluster's CA before the cluster: load balancers trust it alone, from their first moment on.

# Prints the CA's certificate: that of the other nodes, else the host's own, else a new one.
print_ca() {
  open_run_folder
  (
    trap 'rm -rf "$RUN"' EXIT
    check_join_credentials
    finish_leaving
    cluster_ca >"$RUN/ca.crt"
    if [ -s "$RUN/ca.crt" ]; then
      cat "$RUN/ca.crt"
      return
    fi
    [ -s "$PKI/ca.crt" ] || create_ca
    cat "$PKI/ca.crt"
  )
}

create_ca() {
  check_no_cluster_answers
  write_init_config
  part_claim
  mark "$CA_CREATED" created
  kubeadm init phase certs ca --config "$RUN/init.yaml" >"$RUN/log" 2>&1 || {
    tail -n 10 "$RUN/log" >&2
    fail "kubeadm init phase certs ca failed: see above"
  }
  mark "$CA_CREATED" "$(sha256sum <"$PKI/ca.crt")"
}
