# Takes a control-plane node out of its cluster, or leaves it alone: the cluster's own list of control-plane nodes decides.

remove_master() {
  mkdir -p "$RUN"
  chmod 700 "$RUN"
  wait_for_unit
  rm -f "$RUN"/*
  (
    trap 'rm -rf "$RUN"' EXIT
    decide_and_remove
    end_tunnel
    rm -rf "$LOG" "$GIVEN"
    unmark "$STARTED" "$MADE" "$LEAVING"
  )
}

# Connections that were opened through the tunnel of a join keep its unit alive.
end_tunnel() {
  systemctl kill --signal=KILL "$TUNNEL_UNIT" 2>/dev/null || return 0
  wait_for 10 tunnel_is_gone || warn "$TUNNEL_UNIT is still there: systemctl status $TUNNEL_UNIT"
}

tunnel_is_gone() {
  systemctl reset-failed "$TUNNEL_UNIT" || true
  [ "$(systemctl show --property LoadState --value "$TUNNEL_UNIT")" != loaded ]
}

decide_and_remove() {
  if [ -e "$LEAVING" ]; then
    clear_host
    return
  fi
  if [ -e "$STARTED" ] && [ ! -e "$MADE" ]; then
    clear_half_made "$(cut -d ' ' -f 1 "$STARTED")"
    return
  fi
  if [ ! -e "$ADMIN" ]; then
    return
  fi
  server=$(any_api) || cannot_ask
  listed=$(kube "$server" --namespace "$NAMESPACE" get configmap "$BACKENDS" --ignore-not-found \
    --output "jsonpath=found {.metadata.annotations['$CONTROL_PLANE_NODES_ANNOTATION']}") || cannot_ask
  case $listed in
    '') whole_cluster_goes ;;
    *"\"$NODE\""*) whole_cluster_goes ;;
    'found '?*) leave ;;
    *) fail "ConfigMap $NAMESPACE/$BACKENDS has no annotation $CONTROL_PLANE_NODES_ANNOTATION, so it cannot be known whether $NODE is to leave; nothing was changed. Run \`pulumi up\` to write it again, then repeat the removal" ;;
  esac
}

cannot_ask() {
  fail "no API server answers, so it cannot be known whether $NODE is to leave its cluster; nothing was changed. Start one (journalctl -u kubelet), then run this again. If the cluster is lost for good: kubeadm reset -f on this host, then run this again"
}

# An API server that answers the administrator: the own one, else another control-plane node's.
any_api() {
  {
    echo "$OWN_API"
    others | while read -r _ address; do
      echo "$address:$API_PORT"
    done
  } | while read -r candidate; do
    if kube "$candidate" get --raw /readyz >/dev/null 2>&1; then
      echo "$candidate"
      break
    fi
  done | grep .
}

# The configuration is destroyed, or still names this control-plane node: the cluster belongs to its users, unless they have said otherwise.
whole_cluster_goes() {
  [ "$RESET_ON_REMOVE" = yes ] || return 0
  other=$(etcd_other)
  if [ -n "$other" ] && quorum_without_own >/dev/null; then
    hand_over_leadership
    survivor=$(other_api) || survivor=$server
    remove_own_member "$other" || warn "etcd did not remove its member on $NODE; its data goes all the same"
    kube "$survivor" delete node "$NODE" --ignore-not-found --wait=false >/dev/null || true
  fi
  mark "$LEAVING" reset
  clear_host
}

# Would the voting members that stay, and that answer now, hold quorum? Says why not on stderr.
quorum_without_own() {
  other=${other:-$(etcd_other)}
  [ -n "$other" ] || {
    warn "no other master's etcd answers"
    return 1
  }
  etcd_members "$other" >"$RUN/members" || return 1
  staying=0
  healthy=0
  away=
  while read -r _ peer client voter name; do
    if [ "$voter" != yes ] || [ "$peer" = "$OWN_PEER" ]; then
      continue
    fi
    staying=$((staying + 1))
    if [ "$client" != - ] && etcd_healthy "$client"; then
      healthy=$((healthy + 1))
    else
      away="$away $name"
    fi
  done <"$RUN/members"
  if [ "$staying" -eq 0 ] || [ "$healthy" -le $((staying / 2)) ]; then
    warn "of the $staying voting etcd members that would stay, $healthy answer (not:${away:- none}); quorum needs $((staying / 2 + 1))"
    return 1
  fi
}

hand_over_leadership() {
  status=$(etcd "$ADDRESS_URL:2379" /v3/maintenance/status '{}' 2>/dev/null) || return 0
  own_id=$(printf '%s' "$status" | sed -n 's/.*"member_id" *: *"\([0-9]*\)".*/\1/p')
  leader=$(printf '%s' "$status" | sed -n 's/.*"leader" *: *"\([0-9]*\)".*/\1/p')
  [ -n "$own_id" ] && [ "$own_id" = "$leader" ] || return 0
  etcd_members "$other" | while read -r id peer client voter _; do
    if [ "$voter" = yes ] && [ "$peer" != "$OWN_PEER" ] && etcd_healthy "$client"; then
      etcd "$ADDRESS_URL:2379" /v3/maintenance/transfer-leadership "{\"targetID\":\"$id\"}" >/dev/null || true
      break
    fi
  done
}

# The program has given its key up; it is still there where somebody set it by hand, for Kubernetes keeps a field as long as it has an owner.
drop_key() {
  kube "$server" --namespace "$NAMESPACE" patch configmap "$BACKENDS" --type merge --patch "{\"data\":{\"$NODE\":null}}" >/dev/null ||
    warn "the key $NODE of ConfigMap $NAMESPACE/$BACKENDS could not be removed: it is a backend until you do so"
}

leave() {
  other=$(etcd_other)
  [ -n "$other" ] ||
    fail "$NODE cannot leave: no other master's etcd answers, and the cluster would go with this host; nothing was changed. To keep the cluster, start or join another master first; to end it: \`pulumi destroy\`"
  quorum_without_own ||
    fail "$NODE cannot leave: etcd would lose its quorum; nothing was changed. Bring the masters named above back, or remove the dead ones first, then run this again"
  hand_over_leadership
  drop_key
  warn "leaves the cluster: waits $DRAIN_SECONDS s for clients, then drains"
  sleep "$DRAIN_SECONDS"
  kube "$server" drain "$NODE" --ignore-daemonsets --delete-emptydir-data --force --timeout "${DRAIN_DEADLINE}s" >"$RUN/drain" 2>&1 || {
    if kube "$server" get node "$NODE" --ignore-not-found --output name | grep -q .; then
      tail -n 15 "$RUN/drain" >&2
      fail "kubectl drain $NODE has not ended within $DRAIN_DEADLINE s: see above which pods stay (a PodDisruptionBudget?), make room for them, then run this again; $NODE is cordoned, nothing else was changed"
    fi
  }
  # From here on the own API server is without etcd: everything more is asked of another control-plane node.
  survivor=$(other_api) || fail "no other master's API server answers: start one, then run this again; $NODE is cordoned, nothing else was changed"
  wait_for 60 remove_own_member "$other" ||
    fail "etcd did not remove its member on $NODE: $(remove_own_member "$other" 2>&1 | tail -n 1); run this again"
  mark "$LEAVING" leave
  systemctl stop kubelet.service || true
  wait_for 60 kube "$survivor" delete node "$NODE" --ignore-not-found --wait=false ||
    warn "the Node $NODE could not be deleted: kubectl delete node $NODE"
  clear_host
}

clear_host() {
  : >>"$LOG"
  run_reset
}
