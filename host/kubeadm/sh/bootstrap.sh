# Makes the host a serving control-plane node, whatever an earlier run or a power cut left on it.

# bootstrap [again]: `again` when an earlier run has made this host a control-plane node.
bootstrap() {
  again=${1:-}
  open_run_folder
  (
    trap 'close_endpoint; rm -rf "$RUN"' EXIT
    check_join_credentials
    cluster_ca >"$RUN/ca.crt"
    init_or_join
  )
}

init_or_join() {
  resumed=
  finish_leaving
  if [ -e "$KUBEADM_STARTED" ] && [ ! -e "$KUBEADM_DONE" ]; then
    case $(cat "$KUBEADM_STARTED") in
      init*) resume_init ;;
      *) resume_join ;;
    esac
  fi
  if [ ! -e "$KUBEADM_DONE" ] && ! has_cluster_files; then
    systemctl --quiet is-enabled kubelet.service || systemctl --quiet enable kubelet.service
    if [ "$SHARED_KEYS" = yes ]; then
      join_or_create
    elif [ -s "$RUN/ca.crt" ]; then
      run_join
    elif [ "$INIT_NODE" = yes ]; then
      check_may_create
      run_init
    else
      fail "no other control-plane node had a cluster when join credentials for $NODE were requested; nothing was changed. Only the init node creates a cluster: see its bootstrap first, then $ADVICE_JOIN_CREDENTIALS"
    fi
  fi
  check_serves
  part_claim
  rm -rf "$USER_FILES"
  unmark "$KUBEADM_DONE" "$KUBEADM_STARTED"
}

# kubeadm's external CA mode: the user brings all certificates and kubeconfigs, and keeps the key.
# A worker has ca.crt without its key too, but none of these kubeconfigs.
is_external_ca() {
  [ -e "$PKI/ca.crt" ] && [ ! -e "$PKI/ca.key" ] && [ ! -e "$MANIFESTS/kube-apiserver.yaml" ] || return 1
  [ -e "$ADMIN" ] || [ -e /etc/kubernetes/controller-manager.conf ] || [ -e /etc/kubernetes/scheduler.conf ]
}

refuse_external_ca() {
  fail "there is $PKI/ca.crt without $PKI/ca.key: kubeadm's external CA mode is not supported; nothing was changed. Provide the key of the CA too, or move your files in /etc/kubernetes away"
}

# The CA on this host is that of the join credentials; or it was rotated since they were issued, and
# another control-plane node answers with a certificate of it.
is_of_this_cluster() {
  [ -s "$PKI/ca.crt" ] || return 1
  ! cmp -s "$RUN/ca.crt" "$PKI/ca.crt" || return 0
  other_apis >"$RUN/apis"
  while read -r api; do
    ! answers_with "$PKI/ca.crt" "$api" || return 0
  done <"$RUN/apis"
  return 1
}

# Succeeds only when the host serves: its own API server is ready and its Node is registered.
check_serves() {
  if [ ! -e "$MANIFESTS/kube-apiserver.yaml" ]; then
    [ ! -e "$ETCD_DATA/member" ] ||
      fail "this host holds etcd's data ($ETCD_DATA/member), but there is no $MANIFESTS/kube-apiserver.yaml; nothing was changed. If it is a control-plane node, restore its manifests, then run this again"
    ! is_external_ca || refuse_external_ca
    fail "this host is part of a cluster, but it is not a control-plane node: there is no $MANIFESTS/kube-apiserver.yaml; nothing was changed. If it is a worker to keep: $ADVICE_EXCLUDE_NODE. To convert a worker, remove it from its cluster first (kubectl drain and kubectl delete node $NODE there), then clear this host: kubeadm reset -f"
  fi
  if [ -s "$RUN/ca.crt" ] && ! is_of_this_cluster; then
    fail "this host seems to be a control-plane node of another cluster: its $PKI/ca.crt is not that of its join credentials, and no other control-plane node answers with a certificate of it; nothing was changed. Compare the file on all of them, and start those that are down. If this host belongs to the other cluster: $ADVICE_EXCLUDE_NODE"
  fi
  wait_for 300 own_api_ready ||
    fail "this host is a control-plane node, but its API server at https://$OWN_API/readyz is not ready after 300 s; nothing was reset. See journalctl -u kubelet, and crictl ps -a for etcd and kube-apiserver. When other control-plane nodes are down, etcd has no quorum: start them"
  wait_for 120 own_node_registered ||
    fail "the API server of this host serves, but there is no Node $NODE: see journalctl -u kubelet; kubectl get nodes shows the names of the registered hosts"
}

# An earlier removal was interrupted after the host had left the cluster: clears the host first.
finish_leaving() {
  if [ ! -e "$KUBEADM_LEAVING" ]; then
    restore_api_server
    return
  fi
  warn "finishes an interrupted removal"
  reset_host
  rm -rf "$USER_FILES"
  unmark "$KUBEADM_LEAVING" "$KUBEADM_STARTED" "$KUBEADM_DONE"
}
