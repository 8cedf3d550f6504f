# kubeadm init: makes the cluster, once.

# Nobody may answer where this cluster's control-plane nodes would: a second cluster under one name is worse than no cluster.
check_nobody_answers() {
  {
    echo "$ENDPOINT"
    others | while read -r _ address; do
      echo "$address:$API_PORT"
      echo "$address:$LB_PORT"
    done
  } >"$RUN/targets"
  while read -r target; do
    case $(who_answers "$target") in
      tls) no_second_cluster "$target answers: there is a cluster already" ;;
      hangs) no_second_cluster "$target takes connections and answers nothing: there may be a cluster already" ;;
    esac
  done <"$RUN/targets"
}

no_second_cluster() {
  fail "$1, and this host has no ticket to join it; nothing was changed. If $NODE was made anew: raise nodes.$NODE.generation to $((GENERATION + 1)) in the configuration and run \`pulumi up\`: tickets are made again and it joins. If something else answers there: free the address"
}

write_init_config() {
  version=$(kubeadm version --output short)
  (umask 077 && init_config | sed -e "s/@KUBERNETES_VERSION@/$version/" >"$RUN/init.yaml")
}

# init_in_unit [FLAGS...]: the CA first, since whoever trusts only the cluster's CA waits for it; kubeadm then uses it.
init_in_unit() {
  in_unit "kubeadm init phase certs ca --config $RUN/init.yaml &&
    { [ \"\$(cat $STARTED)\" != init ] || { echo \"init \$(sha256sum <$PKI/ca.crt)\" >$STARTED.new && sync $STARTED.new && mv $STARTED.new $STARTED; }; } &&
    kubeadm init --config $RUN/init.yaml --skip-token-print --skip-certificate-key-print $* &&
    mv $STARTED $MADE && sync $STATE"
}

run_init() {
  write_init_config
  keep_given
  mark "$STARTED" init
  init_in_unit || {
    show_log
    fail "kubeadm init failed: see the log above; the next run clears what it left and begins again"
  }
}

# An init that was cut off while its API server already serves is run again over itself: each of its phases takes what is there.
resume_init() {
  made_with=$(cut -d ' ' -f 2 "$STARTED")
  if [ -n "$made_with" ] && [ -e "$PKI/ca.crt" ] && [ "$made_with" != "$(sha256sum <"$PKI/ca.crt" | cut -d ' ' -f 1)" ] && [ "$made_with" != init ]; then
    fail "$PKI/ca.crt is not the one of the interrupted kubeadm init: someone else has worked on this host. If its cluster is wanted: rm $STARTED; else: kubeadm reset -f; rm $STARTED. Then run this again"
  fi
  if [ -e "$MANIFESTS/kube-apiserver.yaml" ] && systemctl --quiet is-active kubelet.service && wait_for 90 own_api_ready; then
    warn "an interrupted kubeadm init is finished"
    write_init_config
    ! init_in_unit --ignore-preflight-errors=all || return 0
    show_log
  fi
  clear_half_made init
  rm -f "$STARTED"
}
