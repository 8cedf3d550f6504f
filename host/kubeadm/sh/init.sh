# kubeadm init: creates the cluster, once.

# A second cluster is worse than none. A node that does not answer may have one: silence proves
# nothing, a recent answer does.
check_may_create() {
  [ ! -e "$PKI/ca.crt" ] || [ -e "$PKI/ca.key" ] || refuse_external_ca
  asked="the other control-plane nodes ($(others | cut -d ' ' -f 1 | tr '\n' ' ' | sed 's/ $//'))"
  [ "$again" != again ] ||
    fail "$NODE had a cluster before and has none now, and $asked issued no join credentials: kubeadm init would make a second cluster; nothing was changed. If $NODE was reprovisioned: $ADVICE_JOIN_CREDENTIALS. Only if the cluster is gone for good: $ADVICE_NEW_CLUSTER"
  if [ -z "$resumed" ] && [ -n "$ABSENT_SINCE" ]; then
    [ "$ABSENT_SINCE" -ne 0 ] ||
      fail "not all of $asked have said that they have no cluster: one that is away was never asked; nothing was changed. If one is away: $ADVICE_EXCLUDE_NODE until it is back"
    age=$(($(now) - ABSENT_SINCE))
    [ "${age#-}" -le "$ABSENT_VALID" ] ||
      fail "$asked had no cluster $age s ago: that is too long ago to create one here (or the clocks of the hosts differ); nothing was changed. To have them asked again: $ADVICE_JOIN_CREDENTIALS"
  fi
  check_no_cluster_answers
}

# Nothing may answer at the endpoint or on another node.
check_no_cluster_answers() {
  found=$(what_answers)
  case $found in
    *' tls') refuse_second_cluster "${found% *} answers: there is a cluster already" ;;
    *' silent') refuse_second_cluster "${found% *} accepts connections and sends nothing: there may be a cluster already" ;;
  esac
}

# The first of the endpoint and the other nodes' ports that answers, `HOST:PORT tls|silent`, or
# nothing.
what_answers() {
  {
    echo "$ENDPOINT"
    others | while read -r _ api etcd lb; do
      echo "$api"
      echo "$lb"
      # it serves without a quorum, when no API server does
      echo "$etcd"
    done
  } >"$RUN/targets"
  while read -r target; do
    how=$(probe "$target")
    [ "$how" = closed ] || {
      echo "$target $how"
      break
    }
  done <"$RUN/targets"
}

refuse_second_cluster() {
  fail "$1, and this host has no join credentials for it; nothing was changed. If $NODE was reprovisioned: $ADVICE_JOIN_CREDENTIALS. If something else answers there: free the address"
}

write_init_config() {
  version=$(kubeadm version --output short)
  (umask 077 && init_config | sed -e "s/@KUBERNETES_VERSION@/$version/" >"$RUN/init.yaml")
}

# init_in_unit [FLAGS...]: the CA first, for clients that trust nothing else; kubeadm then uses it.
init_in_unit() {
  in_unit "kubeadm init phase certs ca --config $RUN/init.yaml &&
    { [ \"\$(cat $KUBEADM_STARTED)\" != init ] || { echo \"init \$(sha256sum <$PKI/ca.crt)\" >$KUBEADM_STARTED.new && sync $KUBEADM_STARTED.new && mv $KUBEADM_STARTED.new $KUBEADM_STARTED; }; } &&
    kubeadm init --config $RUN/init.yaml --skip-token-print --skip-certificate-key-print $* &&
    mv $KUBEADM_STARTED $KUBEADM_DONE && sync $STATE"
}

run_init() {
  write_init_config
  save_user_files
  part_claim
  mark "$KUBEADM_STARTED" init
  init_in_unit || {
    show_log
    fail "kubeadm init failed: see the log above; the next run resets the host and tries again"
  }
}

# Where the API server already serves, init runs again over itself: its phases accept what exists.
resume_init() {
  ca_hash=$(cut -d ' ' -f 2 "$KUBEADM_STARTED")
  if [ -n "$ca_hash" ] && [ -e "$PKI/ca.crt" ] && [ "$ca_hash" != "$(sha256sum <"$PKI/ca.crt" | cut -d ' ' -f 1)" ] && [ "$ca_hash" != init ]; then
    fail "$PKI/ca.crt is not the CA of the interrupted kubeadm init: another tool has changed this host; nothing was changed. To keep the cluster that this host has now: rm $KUBEADM_STARTED, then run this again. To give that cluster up, clear the host yourself first"
  fi
  if [ -e "$MANIFESTS/kube-apiserver.yaml" ] && systemctl --quiet is-active kubelet.service && wait_for 90 own_api_ready; then
    warn "finishes an interrupted kubeadm init"
    write_init_config
    ! init_in_unit --ignore-preflight-errors=all || return 0
    show_log
  fi
  reset_partial init
  rm -f "$KUBEADM_STARTED"
  # the interrupted run had asked
  resumed=yes
}
