# A node that an interrupted or failed kubeadm left half-made: only ours, and only before kubeadm ended well.

# run_reset: kubeadm's own way to clear a host. It gets no kubeconfig: the member and the Node are our business, it would wait for a
# cluster that may not answer, or take a member out that the others need.
run_reset() {
  set -- --force --kubeconfig "$RUN/none" --cert-dir "$PKI"
  [ -z "$CRI_SOCKET" ] || set -- "$@" --cri-socket "$CRI_SOCKET"
  kubeadm reset "$@" >>"$LOG" 2>&1 </dev/null || {
    show_log
    fail "kubeadm reset failed: look at the log above, then run this again"
  }
  rm -rf "${ETCD_DATA:?}/member"
}

# forget_own: takes what the cluster still knows of an earlier life of this host out of it: etcd member and Node. Needs admin.conf and
# etcd's client certificate on this host, and a live control-plane node.
forget_own() {
  other=$(etcd_other)
  [ -n "$other" ] || return 1
  remove_own_member "$other" || return 1
  api=$(other_api) || return 1
  kube "$api" delete node "$NODE" --ignore-not-found --wait=false >/dev/null
}

# clear_half_made KIND
clear_half_made() {
  if [ ! -e "$STARTED" ] || [ -e "$MADE" ]; then
    fail "refuses to reset this host: it is not known to be half-made by this program"
  fi
  if [ "$1" = join ] && [ -s "$ADMIN" ] && [ -s "$PKI/etcd/healthcheck-client.key" ]; then
    # The kubelet runs on meanwhile: a member that had a vote already may be needed to vote itself out.
    wait_for 180 forget_own ||
      fail "cannot take the half-made master $NODE out of the cluster: no other master's etcd answers with a quorum. Start the other masters, then run this again"
  fi
  warn "clears the half-made node"
  systemctl stop kubelet.service || true
  run_reset
  restore_given
}

# What users had placed for kubeadm before it ran (their own CA, static pods): kubeadm reset would take it along.
GIVEN="$STATE/given"

keep_given() {
  [ ! -e "$GIVEN" ] || return 0
  rm -rf "$GIVEN.new"
  (umask 077 && mkdir -p "$GIVEN.new")
  for folder in pki manifests; do
    [ ! -d "/etc/kubernetes/$folder" ] || cp -a "/etc/kubernetes/$folder" "$GIVEN.new/"
  done
  mv "$GIVEN.new" "$GIVEN"
}

restore_given() {
  for folder in pki manifests; do
    [ ! -d "$GIVEN/$folder" ] || cp -a "$GIVEN/$folder" /etc/kubernetes/
  done
}
