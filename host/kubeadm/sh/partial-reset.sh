# Clears what an interrupted or failed kubeadm left: only ours, and only before kubeadm succeeded.

# Clears the host with kubeadm. With a kubeconfig it would wait for a cluster that may not answer,
# or remove a member that the others need: etcd member and Node are removed elsewhere.
reset_host() {
  set -- --force --kubeconfig "$RUN/none" --cert-dir "$PKI"
  [ -z "$CRI_SOCKET" ] || set -- "$@" --cri-socket "$CRI_SOCKET"
  kubeadm reset "$@" >>"$LOG" 2>&1 </dev/null || {
    show_log
    fail "kubeadm reset failed: see the log above, fix the cause, then run this again"
  }
  rm -rf "${ETCD_DATA:?}/member"
}

# Removes this host's etcd member and Node from the cluster. Needs admin.conf and etcd's client
# certificate on this host, and another control-plane node that serves.
remove_from_cluster() {
  other=$(healthy_other_etcd)
  [ -n "$other" ] || return 1
  remove_own_member "$other" || return 1
  api=$(serving_other_api) || return 1
  kube "$api" delete node "$NODE" --ignore-not-found --wait=false >/dev/null
}

# reset_partial init|join
reset_partial() {
  if [ ! -e "$KUBEADM_STARTED" ] || [ -e "$KUBEADM_DONE" ]; then
    fail "refuses to reset this host: no unfinished kubeadm of this program is known here"
  fi
  if [ "$1" = join ] && [ -s "$ADMIN" ] && [ -s "$PKI/etcd/healthcheck-client.key" ]; then
    # kubelet keeps running: a member that already votes may be needed to vote itself out.
    wait_for 180 remove_from_cluster ||
      fail "cannot remove the partially joined $NODE from the cluster: etcd answers with a quorum on no other control-plane node. Start the other control-plane nodes, then run this again"
  fi
  warn "resets the node that kubeadm did not finish"
  systemctl stop kubelet.service || true
  reset_host
  restore_user_files
}

# Users may place files for kubeadm before it runs (a CA, static pods): a reset removes them too.
save_user_files() {
  [ ! -e "$USER_FILES" ] || return 0
  rm -rf "$USER_FILES.new"
  (umask 077 && mkdir -p "$USER_FILES.new")
  for folder in pki manifests; do
    [ ! -d "/etc/kubernetes/$folder" ] || cp -a "/etc/kubernetes/$folder" "$USER_FILES.new/"
  done
  mv "$USER_FILES.new" "$USER_FILES"
}

restore_user_files() {
  for folder in pki manifests; do
    [ ! -d "$USER_FILES/$folder" ] || cp -a "$USER_FILES/$folder" /etc/kubernetes/
  done
}
