# Removes a node from its cluster, or leaves it alone: the cluster's own list of nodes decides.

remove_control_plane_node() {
  open_run_folder
  (
    trap 'rm -rf "$RUN"' EXIT
    decide_and_remove
    end_tunnel
    rm -rf "$LOG" "$USER_FILES" "$STOPPED_API_SERVER"
    unmark "$KUBEADM_STARTED" "$KUBEADM_DONE" "$KUBEADM_LEAVING"
  )
}

# Connections through the tunnel of a join keep its unit alive.
end_tunnel() {
  systemctl kill --signal=KILL "$TUNNEL_UNIT" 2>/dev/null || return 0
  wait_for 10 tunnel_is_gone || warn "$TUNNEL_UNIT still exists: systemctl status $TUNNEL_UNIT"
}

tunnel_is_gone() {
  systemctl reset-failed "$TUNNEL_UNIT" || true
  [ "$(systemctl show --property LoadState --value "$TUNNEL_UNIT")" != loaded ]
}

decide_and_remove() {
  if [ -e "$KUBEADM_LEAVING" ]; then
    clear_host
    return
  fi
  if [ -e "$KUBEADM_STARTED" ] && [ ! -e "$KUBEADM_DONE" ]; then
    reset_partial "$(cut -d ' ' -f 1 "$KUBEADM_STARTED")"
    return
  fi
  if [ ! -e "$ADMIN" ]; then
    is_control_plane_node || return 0
    fail "$ADMIN is missing, so it is unknown whether $NODE is to leave its cluster; nothing was changed. Copy the file from another control-plane node, then run this again. Only if $NODE has left its cluster already: kubeadm reset -f on this host, then run this again"
  fi
  server=$(serving_api) || fail_without_api
  listed=$(kube "$server" --namespace "$NAMESPACE" get configmap "$BACKENDS" --ignore-not-found \
    --output "jsonpath=found {.metadata.annotations['$CONTROL_PLANE_NODES_ANNOTATION']} {.metadata.annotations['$IN_USE_ANNOTATION']}") || fail_without_api
  case $listed in
    *"\"$NODE\""*' true') say "$NODE stays in its cluster, which is in use and lists it" ;;
    '' | *"\"$NODE\""*) end_with_cluster ;;
    'found ['*) leave ;;
    *) fail "ConfigMap $NAMESPACE/$BACKENDS has no annotation $CONTROL_PLANE_NODES_ANNOTATION, so it is unknown whether $NODE is to leave; nothing was changed. To restore it: $ADVICE_RESTORE_BACKENDS. Then repeat the removal" ;;
  esac
}

is_control_plane_node() {
  [ -e "$MANIFESTS/kube-apiserver.yaml" ] || [ -e "$MANIFESTS/etcd.yaml" ] || [ -e "$ETCD_DATA/member" ]
}

fail_without_api() {
  fail "no API server answers, so it is unknown whether $NODE is to leave its cluster; nothing was changed. Start one (journalctl -u kubelet), then run this again. Only if no control-plane node of this cluster will ever come back: kubeadm reset -f on this host, then run this again"
}

# Everything is destroyed: without a request to reset, the host stays.
end_with_cluster() {
  [ "$RESET_ON_REMOVE" = yes ] || return 0
  other=$(healthy_other_etcd)
  if [ -n "$other" ] && quorum_without_own >/dev/null; then
    transfer_leadership
    survivor=$(serving_other_api) || survivor=$server
    remove_own_member "$other" || warn "etcd did not remove its member on $NODE; its data is deleted all the same"
    kube "$survivor" delete node "$NODE" --ignore-not-found --wait=false >/dev/null || true
  fi
  mark "$KUBEADM_LEAVING" reset
  clear_host
}

# Do those voting members that stay and answer hold quorum? Explains a "no" on stderr.
quorum_without_own() {
  other=${other:-$(healthy_other_etcd)}
  [ -n "$other" ] || {
    warn "etcd answers on no other control-plane node"
    return 1
  }
  etcd_members "$other" >"$RUN/members" || return 1
  staying=0
  healthy=0
  down=
  while read -r _ peer client voter name; do
    if [ "$voter" != yes ] || [ "$peer" = "$OWN_PEER" ]; then
      continue
    fi
    staying=$((staying + 1))
    if [ "$client" != - ] && etcd_healthy "$client"; then
      healthy=$((healthy + 1))
    else
      down="$down $name"
    fi
  done <"$RUN/members"
  if [ "$staying" -eq 0 ] || [ "$healthy" -le $((staying / 2)) ]; then
    warn "of the $staying voting etcd members that would stay, $healthy answer (down:${down:- none}); quorum needs $((staying / 2 + 1))"
    return 1
  fi
}

transfer_leadership() {
  status=$(etcd "$OWN_ETCD" /v3/maintenance/status '{}' 2>/dev/null) || return 0
  own_id=$(printf '%s' "$status" | sed -n 's/.*"member_id" *: *"\([0-9]*\)".*/\1/p')
  leader=$(printf '%s' "$status" | sed -n 's/.*"leader" *: *"\([0-9]*\)".*/\1/p')
  [ -n "$own_id" ] && [ "$own_id" = "$leader" ] || return 0
  etcd_members "$other" | while read -r id peer client voter _; do
    if [ "$voter" = yes ] && [ "$peer" != "$OWN_PEER" ] && etcd_healthy "$client"; then
      etcd "$OWN_ETCD" /v3/maintenance/transfer-leadership "{\"targetID\":\"$id\"}" >/dev/null || true
      break
    fi
  done
}

# Our field manager has given the key up, but Kubernetes keeps a field that users own as well.
delete_backend() {
  kube "$server" --namespace "$NAMESPACE" patch configmap "$BACKENDS" --type merge --patch "{\"data\":{\"$NODE\":null}}" >/dev/null ||
    warn "the key $NODE of ConfigMap $NAMESPACE/$BACKENDS could not be deleted: delete it, or it stays a backend"
}

leave() {
  other=$(healthy_other_etcd)
  [ -n "$other" ] ||
    fail "$NODE cannot leave: etcd answers on no other control-plane node, so the cluster would end with this host; nothing was changed. To keep the cluster, start or join another control-plane node first. To end it: $ADVICE_END_CLUSTER"
  quorum_without_own ||
    fail "$NODE cannot leave: etcd would lose its quorum; nothing was changed. Start the members named above, or remove the dead ones first, then run this again"
  transfer_leadership
  delete_backend
  warn "leaves the cluster: waits $DRAIN_SECONDS s for clients, then drains"
  sleep "$DRAIN_SECONDS"
  kube "$server" drain "$NODE" --ignore-daemonsets --delete-emptydir-data --force --timeout "${DRAIN_DEADLINE}s" >"$RUN/drain" 2>&1 || {
    tail -n 15 "$RUN/drain" >&2
    # only an answer shows that the Node is gone
    found=$(kube "$server" get node "$NODE" --ignore-not-found --output name) ||
      fail "kubectl drain $NODE failed, see above, and the API server at $server does not say whether there is such a Node; nothing else was changed. Run this again"
    [ -z "$found" ] ||
      fail "kubectl drain $NODE has not ended within $DRAIN_DEADLINE s: the pods above stay (a PodDisruptionBudget?). Make room for them, then run this again; $NODE is cordoned, nothing else was changed"
  }
  # From here on the own API server has no etcd: ask another control-plane node.
  survivor=$(serving_other_api) || fail "no API server of another control-plane node answers: start one, then run this again; $NODE is cordoned, nothing else was changed"
  virtual_ips stop
  stop_api_server
  wait_for 60 remove_own_member "$other" || {
    restore_api_server
    virtual_ips start
    fail "etcd did not remove its member on $NODE: $(remove_own_member "$other" 2>&1 | tail -n 1); run this again"
  }
  mark "$KUBEADM_LEAVING" leave
  systemctl stop kubelet.service || true
  wait_for 60 kube "$survivor" delete node "$NODE" --ignore-not-found --wait=false ||
    warn "the Node $NODE could not be deleted: kubectl delete node $NODE"
  clear_host
}

# Another load-balancer host takes the address while this one still serves.
virtual_ips() { # start or stop
  for virtual_ip in /etc/systemd/system/control-plane-lb-virtual-ip-*.service; do
    [ -e "$virtual_ip" ] || continue
    systemctl "$1" "${virtual_ip##*/}" || warn "systemctl $1 ${virtual_ip##*/} failed"
  done
}

# While etcd still serves it: requests in flight end, new connections go to another API server, and
# it takes itself out of the EndpointSlice, which other load balancers may follow.
stop_api_server() {
  if [ -e "$MANIFESTS/kube-apiserver.yaml" ]; then
    mv "$MANIFESTS/kube-apiserver.yaml" "$STOPPED_API_SERVER"
  fi
  wait_for 90 api_server_is_closed || warn "the API server at $OWN_API has not stopped within 90 s"
  wait_for 30 is_out_of_slice || warn "$OWN_API is still in EndpointSlice $SLICE_NAMESPACE/$SLICE after 30 s"
}

api_server_is_closed() {
  [ "$(probe "$OWN_API")" = closed ]
}

is_out_of_slice() {
  slice=$(kube "$survivor" --namespace "$SLICE_NAMESPACE" get endpointslice "$SLICE" --output 'jsonpath={.endpoints[*].addresses[*]}') || return 1
  case " $slice " in
    *" $OWN_ADDRESS "*) return 1 ;;
  esac
}

clear_host() {
  : >>"$LOG"
  reset_host
}
