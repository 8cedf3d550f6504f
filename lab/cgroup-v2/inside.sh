#!/bin/sh
# Runs in the virtual machine of try.sh, as a unit whose output is the second serial line.
set -u
cd "$(dirname "$0")/../.." || exit 1
export HOME=/root CONTROL_PLANE_LB_PLUGINS=stand-in

try() { # COMMAND...: prints it, runs it, prints its exit status and duration
  echo "+ $*"
  from=$(date +%s)
  "$@" 2>&1
  status=$?
  echo "= exit code $status after $(($(date +%s) - from)) s"
  [ "$status" -eq 0 ]
}
lab() { sh scripts/run.sh lab/src/main.ts "$@"; }

everything() {
  try uname -sr &&
    try sh -c 'grep PRETTY_NAME /etc/os-release; stat -fc "/sys/fs/cgroup is %T" /sys/fs/cgroup; grep cgroup /proc/self/mounts' &&
    try lab up --machines 1 &&
    try lab ssh m1 'systemctl is-system-running; stat -fc "/sys/fs/cgroup is %T" /sys/fs/cgroup; cat /sys/fs/cgroup/cgroup.controllers' &&
    try lab ssh m1 'sudo systemctl reboot' &&
    try lab up --machines 1 &&
    try sh scripts/run.sh e2e/handover/main.ts --hours 8 &&
    try sh -c 'find /sys/fs/cgroup/control-plane-lab -maxdepth 4 -type d | sort' &&
    try lab down &&
    try sh -c '! find /sys/fs/cgroup -maxdepth 1 -name control-plane-lab | grep .; lsmod | grep -E "^(overlay|br_netfilter|nf_tables|nft_socket|nft_fib_inet|nf_conntrack) "'
}
if everything; then echo "RESULT: passed"; else echo "RESULT: failed"; fi
