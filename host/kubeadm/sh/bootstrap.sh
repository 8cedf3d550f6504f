# Makes the host a control-plane node, from whatever state an earlier run, a power cut or a new disk has left it in.

bootstrap() {
  mkdir -p "$RUN"
  chmod 700 "$RUN"
  wait_for_unit
  rm -f "$RUN"/*
  (
    trap 'close_endpoint; rm -rf "$RUN"' EXIT
    check_tickets
    ticket_ca >"$RUN/ca.crt"
    make_master
  )
}

make_master() {
  finish_leaving
  if [ -e "$STARTED" ] && [ ! -e "$MADE" ]; then
    case $(cat "$STARTED") in
      init*) resume_init ;;
      *) resume_join ;;
    esac
  fi
  if [ ! -e "$MADE" ] && ! has_cluster_files; then
    systemctl --quiet is-enabled kubelet.service || systemctl --quiet enable kubelet.service
    if [ -s "$RUN/ca.crt" ]; then
      run_join
    elif [ "$HEAD" = yes ]; then
      check_nobody_answers
      run_init
    else
      fail "no other master had a cluster when this host's ticket was asked for; nothing was changed. The first node of the configuration makes the cluster: see its bootstrap, then raise nodes.$NODE.generation to $((GENERATION + 1)) and run \`pulumi up\`"
    fi
  fi
  check_member
  rm -rf "$GIVEN"
  unmark "$MADE" "$STARTED"
}

# Ends only when the host serves: its own API server is ready and its Node exists.
check_member() {
  [ -e "$MANIFESTS/kube-apiserver.yaml" ] ||
    fail "this host is part of a cluster, but not a master (there is no $MANIFESTS/kube-apiserver.yaml beside its kubelet.conf or $ETCD_DATA/member); nothing was changed. To make it one, take it out of its cluster first: kubectl drain and kubectl delete node $NODE there, then on this host: kubeadm reset -f"
  if [ -s "$RUN/ca.crt" ] && ! cmp -s "$RUN/ca.crt" "$PKI/ca.crt"; then
    fail "this host is a master of another cluster than the other masters: its $PKI/ca.crt is not theirs; nothing was changed. If this one is not needed: kubeadm reset -f on this host, then run this again"
  fi
  wait_for 300 own_api_ready ||
    fail "this host is a master, but its API server at https://$OWN_API/readyz has not become ready within 300 s; nothing was reset. See journalctl -u kubelet, and crictl ps -a for etcd and kube-apiserver; with other masters down, etcd has no quorum: start them"
  wait_for 120 own_node_known ||
    fail "the API server of this host serves, but there is no Node $NODE: see journalctl -u kubelet; kubectl get nodes shows by which names hosts are registered"
}

# An earlier removal was cut off after the host had left the cluster: the rest of it first.
finish_leaving() {
  [ -e "$LEAVING" ] || return 0
  warn "an interrupted removal is finished first"
  run_reset
  rm -rf "$GIVEN"
  unmark "$LEAVING" "$STARTED" "$MADE"
}
