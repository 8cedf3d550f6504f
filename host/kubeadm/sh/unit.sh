# kubeadm in a transient unit: it survives the end of this script, and the next run waits for it.

LOG="$STATE/kubeadm.log"

unit_running() {
  case $(systemctl show --property ActiveState --value "$KUBEADM_UNIT") in
    active | activating | deactivating | reloading) return 0 ;;
    *) return 1 ;;
  esac
}

# Waits for the kubeadm of an earlier run; its own deadlines are far shorter than this one.
wait_for_unit() {
  unit_end=$(($(now) + 1800))
  while unit_running; do
    [ "$(now)" -lt "$unit_end" ] ||
      fail "kubeadm has not ended within 30 minutes: see systemctl status $KUBEADM_UNIT and $LOG"
    sleep 1
  done
}

# in_unit TEXT: runs the shell text in the unit and returns its status, or 1 when it was killed.
in_unit() {
  rm -f "$RUN/result" "$RUN/result.new"
  {
    printf '%s\n' 'set -u' "cd /" "$1" 'rc=$?' "echo \$rc >$RUN/result.new" "mv $RUN/result.new $RUN/result"
  } >"$RUN/kubeadm.sh"
  mkdir -p "$STATE"
  # Only root reads the log: kubeadm may print secrets.
  (umask 077 && : >>"$LOG")
  printf '\n== %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >>"$LOG"
  systemd-run --quiet --collect --unit "$KUBEADM_UNIT" --description "kubeadm on $NODE" \
    --property "StandardOutput=append:$LOG" --property "StandardError=append:$LOG" \
    --setenv=LC_ALL=C --setenv="PATH=$PATH" --setenv=HOME=/root /bin/sh "$RUN/kubeadm.sh" || {
    echo "systemd-run failed" >>"$LOG"
    return 1
  }
  wait_for_unit
  if [ -s "$RUN/result" ]; then
    return "$(cat "$RUN/result")"
  fi
  echo "kubeadm was killed before it ended" >>"$LOG"
  return 1
}

# The end of kubeadm's log on stderr, without tokens and keys.
show_log() {
  [ -s "$LOG" ] || return 0
  warn "the end of kubeadm's log ($LOG on the host):"
  tail -n 40 "$LOG" |
    sed -e 's/[a-z0-9]\{6\}\.[a-z0-9]\{16\}/<token>/g' -e 's/[0-9a-fA-F]\{64\}/<hash or key>/g' -e 's/^/  /' >&2
}
