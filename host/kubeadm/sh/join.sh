# kubeadm join as a further control-plane node, with join credentials of another control-plane node.

# Prints the address of this host to which the endpoint's name resolves, or nothing.
own_endpoint_address() {
  { getent ahosts "$ENDPOINT_HOST" || echo "$ENDPOINT_HOST"; } | cut -d ' ' -f 1 | while read -r candidate; do
    if ip -o address show | sed -n 's/.* inet6\{0,1\} \([^ /]*\).*/\1/p' | grep -qxF "$candidate"; then
      echo "$candidate"
      break
    fi
  done
}

# The endpoint may be this host, whose forward has no API server yet, but kubeadm needs the cluster.
# A tunnel on the specific address, under HAProxy's UID, precedes the forward as HAProxy will.
open_endpoint() {
  answers_with "$RUN/ca.crt" "$ENDPOINT" && return
  own=$(own_endpoint_address)
  [ -n "$own" ] ||
    fail "the endpoint $ENDPOINT does not answer with a certificate of the cluster that issued the join credentials: see which process holds the address and the port, then run this again"
  live=$(live_other_api)
  [ -n "$live" ] || fail "no API server of another control-plane node answers with a certificate of the cluster that issued the join credentials: start one, then run this again"
  family=TCP4
  bind=$own
  case $own in *:*) family=TCP6 bind="[$own]" ;; esac
  close_endpoint
  warn "the endpoint is this host: $own:$LB_PORT leads to $live until the own API server serves"
  # KillMode: open connections end by themselves after the tunnel has closed.
  systemd-run --quiet --collect --unit "$TUNNEL_UNIT" --description "control-plane endpoint while $NODE joins" \
    --property KillMode=process --property RuntimeMaxSec=1800 \
    setpriv --reuid "$HAPROXY_UID" --regid "$HAPROXY_UID" --clear-groups \
    socat -T 300 "$family-LISTEN:$LB_PORT,bind=$bind,reuseaddr,reuseport,fork" "$family:$live"
  wait_for 20 answers_with "$RUN/ca.crt" "$ENDPOINT" || {
    close_endpoint
    fail "the tunnel from $ENDPOINT to $live does not work: see journalctl -u $TUNNEL_UNIT"
  }
}

# Another control-plane node's API server that answers with a certificate of the cluster, or nothing.
live_other_api() {
  others | while read -r _ api _; do
    if answers_with "$RUN/ca.crt" "$api"; then
      echo "$api"
      break
    fi
  done
}

close_endpoint() {
  # connections through it stay open until the node is removed
  systemctl stop "$TUNNEL_UNIT" 2>/dev/null || true
}

# token_is_valid TOKEN-ID: cluster-info has this token's signature, soon after its creation and
# until it expires.
token_is_valid() {
  curl -sf --noproxy '*' --connect-timeout 5 --max-time 10 --cacert "$RUN/ca.crt" \
    "https://$ENDPOINT/api/v1/namespaces/kube-public/configmaps/cluster-info" | grep -q "\"jws-kubeconfig-$1\""
}

# Writes join.yaml with the first valid join credentials. Process lists are public, hence files.
write_join_config() {
  join_credentials >"$RUN/join-credentials"
  valid_until=$(($(now) + TOKEN_SECONDS))
  while :; do
    while read -r token hash key; do
      if token_is_valid "${token%%.*}"; then
        printf 's|@TOKEN@|%s|\ns|@CA_CERT_HASH@|%s|\ns|@CERTIFICATE_KEY@|%s|\n' "$token" "$hash" "$key" >"$RUN/fill.sed"
        join_config | sed -f "$RUN/fill.sed" >"$RUN/join.yaml"
        return
      fi
    done <"$RUN/join-credentials"
    [ "$(now)" -lt "$valid_until" ] || break
    sleep 1
  done
  [ "$SHARED_KEYS" = no ] ||
    fail "the cluster does not know the join token of this host's user data after $TOKEN_SECONDS s (kubectl get secret --namespace kube-system bootstrap-token-$(cut -c 1-6 "$RUN/join-credentials")); nothing was changed. To go on: $ADVICE_JOIN_CREDENTIALS"
  fail "the join credentials of $NODE have expired (they are valid for 2 hours); nothing was changed. To go on: $ADVICE_JOIN_CREDENTIALS"
}

# Certificates and admin.conf first: a blank host removes its earlier self from the cluster by them.
# (etcd accepts no empty host as its old member, and no new member while a voting one is down.)
prepare_join() {
  in_unit "kubeadm join phase control-plane-prepare download-certs --config $RUN/join.yaml &&
    kubeadm join phase control-plane-prepare certs --config $RUN/join.yaml &&
    kubeadm join phase control-plane-prepare kubeconfig --config $RUN/join.yaml" || return 1
  wait_for 90 remove_from_cluster || {
    echo "etcd on no other control-plane node removes the old member of $NODE" >>"$LOG"
    return 1
  }
  # kubeadm waits for its turn too, for two minutes
  wait_for 300 no_learner || echo "another etcd member is still a learner after 300 s" >>"$LOG"
}

# etcd takes one learner at a time, and nodes may join at once.
no_learner() {
  etcd_members "$(healthy_other_etcd)" >"$RUN/learners" || return 1
  while read -r _ _ _ voter _; do
    [ "$voter" = yes ] || return 1
  done <"$RUN/learners"
}

run_join() {
  open_endpoint
  (umask 077 && write_join_config)
  save_user_files
  part_claim
  attempt=1
  while :; do
    mark "$KUBEADM_STARTED" join
    prepare_join && in_unit "kubeadm join --config $RUN/join.yaml && mv $KUBEADM_STARTED $KUBEADM_DONE && sync $STATE" && return
    [ "$attempt" -lt "$JOIN_ATTEMPTS" ] || break
    attempt=$((attempt + 1))
    warn "kubeadm join failed: resets the host and tries again ($attempt of $JOIN_ATTEMPTS)"
    reset_partial join
  done
  show_log
  fail "kubeadm join failed: see the log above; the next run resets the host and tries again"
}

# A node that serves and is registered only lacks its label; any other is reset and joins again.
resume_join() {
  [ -s "$RUN/ca.crt" ] ||
    fail "a kubeadm join was interrupted on this host, and no other control-plane node has issued join credentials to finish it. Start the other control-plane nodes, then $ADVICE_JOIN_CREDENTIALS"
  if [ -e "$MANIFESTS/kube-apiserver.yaml" ] && [ -e "$KUBELET" ] && systemctl --quiet is-active kubelet.service &&
    wait_for 90 own_api_ready && own_node_registered; then
    cmp -s "$RUN/ca.crt" "$PKI/ca.crt" ||
      fail "this host serves a cluster whose CA is not that of its join credentials; nothing was changed. To keep it there: $ADVICE_EXCLUDE_NODE. To move it, remove it from that cluster first (kubectl drain and kubectl delete node $NODE there), then clear this host"
    warn "finishes an interrupted kubeadm join"
    open_endpoint
    (umask 077 && write_join_config)
    in_unit "kubeadm join phase control-plane-join mark-control-plane --config $RUN/join.yaml && mv $KUBEADM_STARTED $KUBEADM_DONE && sync $STATE" && return
    show_log
  fi
  open_endpoint
  reset_partial join
  rm -f "$KUBEADM_STARTED"
}
