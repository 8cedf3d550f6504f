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

boot_id() { lab ssh m1 cat /proc/sys/kernel/random/boot_id; }
reboot_m1() {
  before=$(boot_id)
  lab ssh m1 sudo systemctl reboot
  now=$before
  # nothing answers for a while
  until [ -n "$now" ] && [ "$now" != "$before" ]; do now=$(boot_id 2>/dev/null); done
  lab ssh m1 'systemctl is-system-running --wait'
}
progress() { # to the console
  while sleep 300; do
    date
    ps -C etcd,kubeadm,kube-apiserver,kube-controller-manager,kube-scheduler,kubelet,haproxy,node -o comm=,etime=,time=
  done >/dev/console 2>&1
}

everything() {
  try uname -sr &&
    try sh -c 'grep PRETTY_NAME /etc/os-release; stat -fc "/sys/fs/cgroup is %T" /sys/fs/cgroup; grep cgroup /proc/self/mounts' &&
    try lab up --machines 1 &&
    try lab ssh m1 'systemctl is-system-running; stat -fc "/sys/fs/cgroup is %T" /sys/fs/cgroup; cat /sys/fs/cgroup/cgroup.controllers' &&
    try sh scripts/run.sh e2e/handover/main.ts --hours 8 &&
    try sh -c 'systemctl daemon-reload; cat /sys/fs/cgroup/control-plane-lab/dev/m1/cgroup.subtree_control' &&
    try sh -c 'cd /sys/fs/cgroup/control-plane-lab; find . -maxdepth 5 -type d | sort' &&
    try reboot_m1 &&
    try lab down &&
    try sh -c '! find /sys/fs/cgroup -maxdepth 1 -name control-plane-lab | grep .' &&
    try sh -c 'lsmod | grep -E "^(overlay|br_netfilter|nf_tables|nft_socket|nft_fib_inet|nf_conntrack) "'
}
progress &
if everything; then echo "RESULT: passed"; else echo "RESULT: failed"; fi
