# kubeadm join as a further control-plane node, with join credentials that another control-plane node made.

# The address of this host that the endpoint's name stands for; nothing when it is elsewhere.
own_endpoint_address() {
  { getent ahosts "$ENDPOINT_HOST" || echo "$ENDPOINT_HOST"; } | cut -d ' ' -f 1 | while read -r candidate; do
    if ip -o address show | sed -n 's/.* inet6\{0,1\} \([^ /]*\).*/\1/p' | grep -qxF "$candidate"; then
      echo "$candidate"
      break
    fi
  done
}

# The endpoint may be this very host, with no API server behind its forward yet: kubeadm and kubelet must reach the cluster by it all the
# same. A tunnel on the special address, under HAProxy's UID, takes the port before the forward does, as HAProxy will.
open_endpoint() {
  answers_with "$RUN/ca.crt" "$ENDPOINT" && return
  own=$(own_endpoint_address)
  [ -n "$own" ] ||
    fail "the endpoint $ENDPOINT does not answer with the certificate of the cluster that gave the ticket: see who has the address and the port, then run this again"
  live=$(others | while read -r _ address; do
    if answers_with "$RUN/ca.crt" "$address:$API_PORT"; then
      echo "$address:$API_PORT"
      break
    fi
  done)
  [ -n "$live" ] || fail "no other master's API server answers on port $API_PORT with the certificate of the cluster that gave the ticket: start one, then run this again"
  family=TCP4
  bind=$own
  case $own in *:*) family=TCP6 bind="[$own]" ;; esac
  close_endpoint
  warn "the endpoint is this host: $own:$LB_PORT leads to $live until its own API server serves"
  # Connections that are open when the tunnel closes may end by themselves, hence KillMode.
  systemd-run --quiet --collect --unit "$TUNNEL_UNIT" --description "control-plane endpoint while $NODE joins" \
    --property KillMode=process --property RuntimeMaxSec=1800 \
    setpriv --reuid "$HAPROXY_UID" --regid "$HAPROXY_UID" --clear-groups \
    socat -T 300 "$family-LISTEN:$LB_PORT,bind=$bind,reuseaddr,reuseport,fork" "$family:$live"
  wait_for 20 answers_with "$RUN/ca.crt" "$ENDPOINT" || {
    close_endpoint
    fail "the tunnel from $ENDPOINT to $live does not work: see journalctl -u $TUNNEL_UNIT"
  }
}

close_endpoint() {
  # connections that go through it live on, until the host is no longer ours
  systemctl stop "$TUNNEL_UNIT" 2>/dev/null || true
}

# signed TOKEN-ID: the cluster knows this token (its signature appears a moment after the token, and goes when it expires).
signed() {
  curl -sf --noproxy '*' --connect-timeout 5 --max-time 10 --cacert "$RUN/ca.crt" \
    "https://$ENDPOINT/api/v1/namespaces/kube-public/configmaps/cluster-info" | grep -q "\"jws-kubeconfig-$1\""
}

# The first join credentials that is still good, as join.yaml; values go through files, since anyone reads a process list.
choose_ticket() {
  tickets >"$RUN/tickets"
  ticket_end=$(($(now) + 60))
  while :; do
    while read -r token hash key; do
      if signed "${token%%.*}"; then
        printf 's|@TOKEN@|%s|\ns|@CA_CERT_HASH@|%s|\ns|@CERTIFICATE_KEY@|%s|\n' "$token" "$hash" "$key" >"$RUN/fill.sed"
        join_config | sed -f "$RUN/fill.sed" >"$RUN/join.yaml"
        return
      fi
    done <"$RUN/tickets"
    [ "$(now)" -lt "$ticket_end" ] || break
    sleep 1
  done
  fail "the ticket with which $NODE was to join has expired (it is good for 2 hours); nothing was changed. Raise nodes.$NODE.generation to $((GENERATION + 1)) in the configuration and run \`pulumi up\`: a new ticket is made"
}

# Certificates and admin.conf first: with them this host, which knows that it is blank, takes its own earlier life out of the cluster.
# (etcd never takes an empty host back under its old member, and no member may join while a voting one is away.)
prepare_join() {
  in_unit "kubeadm join phase control-plane-prepare download-certs --config $RUN/join.yaml &&
    kubeadm join phase control-plane-prepare certs --config $RUN/join.yaml &&
    kubeadm join phase control-plane-prepare kubeconfig --config $RUN/join.yaml" || return 1
  wait_for 90 forget_own || {
    echo "no other master's etcd lets the old member of $NODE be removed" >>"$LOG"
    return 1
  }
}

run_join() {
  open_endpoint
  (umask 077 && choose_ticket)
  keep_given
  attempt=1
  while :; do
    mark "$STARTED" join
    prepare_join && in_unit "kubeadm join --config $RUN/join.yaml && mv $STARTED $MADE && sync $STATE" && return
    [ "$attempt" -lt 2 ] || break
    attempt=$((attempt + 1))
    warn "kubeadm join failed: clears what it left and tries once more"
    clear_half_made join
  done
  show_log
  fail "kubeadm join failed: see the log above; the next run clears what it left and begins again"
}

# A join that was cut off: a control-plane node that serves and has its Node only lacks its mark, any other is cleared and joins anew.
resume_join() {
  [ -s "$RUN/ca.crt" ] ||
    fail "an interrupted kubeadm join is on this host, and no other master has given a ticket to end it. Start the other masters, raise nodes.$NODE.generation to $((GENERATION + 1)) in the configuration and run \`pulumi up\`"
  if [ -e "$MANIFESTS/kube-apiserver.yaml" ] && [ -e /etc/kubernetes/kubelet.conf ] && systemctl --quiet is-active kubelet.service &&
    wait_for 90 own_api_ready && own_node_known; then
    cmp -s "$RUN/ca.crt" "$PKI/ca.crt" ||
      fail "this host serves a cluster with another CA than the one whose ticket it has: if that cluster is wanted, take $NODE out of this configuration; else kubeadm reset -f; rm $STARTED"
    warn "an interrupted kubeadm join is finished"
    open_endpoint
    (umask 077 && choose_ticket)
    in_unit "kubeadm join phase control-plane-join mark-control-plane --config $RUN/join.yaml && mv $STARTED $MADE && sync $STATE" && return
    show_log
  fi
  open_endpoint
  clear_half_made join
  rm -f "$STARTED"
}
