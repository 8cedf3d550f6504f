# The cluster's CA before the cluster: load balancers trust it, and nothing else, from their first moment on.

CA_MADE="$STATE/ca-made"

# Prints the certificate: that of the other control-plane nodes' cluster, else the host's own, else a new one, which kubeadm init then takes.
certificate_authority() {
  mkdir -p "$RUN"
  chmod 700 "$RUN"
  wait_for_unit
  rm -f "$RUN"/*
  (
    trap 'rm -rf "$RUN"' EXIT
    check_tickets
    finish_leaving
    ticket_ca >"$RUN/ca.crt"
    if [ -s "$RUN/ca.crt" ]; then
      cat "$RUN/ca.crt"
      return
    fi
    [ -s "$PKI/ca.crt" ] || make_ca
    cat "$PKI/ca.crt"
  )
}

make_ca() {
  check_nobody_answers
  write_init_config
  mark "$CA_MADE" made
  kubeadm init phase certs ca --config "$RUN/init.yaml" >"$RUN/log" 2>&1 || {
    tail -n 10 "$RUN/log" >&2
    fail "kubeadm init phase certs ca failed: see above"
  }
  mark "$CA_MADE" "$(sha256sum <"$PKI/ca.crt")"
}
