#!/bin/sh
# Tries the lab on a host with cgroup v2 alone: Debian 12 with its own kernel in QEMU, without KVM. No part of npm test: 15 minutes on an idle host, hours on a busy one.
# Prints what inside.sh prints. Needs root, about 12 GB in FOLDER (default /var/tmp/control-plane-lab-v2) and 6 GiB of memory.
# usage: sh lab/cgroup-v2/try.sh [FOLDER]        exit code: 0 passed, 1 failed, 2 cannot start
set -eu
project=$(cd "$(dirname "$0")/../.." && pwd)
work=${1:-/var/tmp/control-plane-lab-v2}
for command in qemu-system-x86_64 mmdebstrap mke2fs git; do
  PATH=$PATH:/usr/sbin command -v "$command" >/dev/null || missing="${missing:-} $command"
done
if [ -n "${missing:-}" ]; then
  echo "missing commands:$missing. Install them: apt-get install qemu-system-x86 mmdebstrap e2fsprogs git" >&2
  exit 2
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "this needs root: it makes a root file system" >&2
  exit 2
fi
PATH=$PATH:/usr/sbin
umask 022
mkdir -p "$work"
root=$work/root
output=$work/output.log
quietly() { nice -n 19 ionice -c 3 "$@"; }

# what the lab would install by apt-get, and what Node needs
packages=systemd,systemd-sysv,linux-image-cloud-amd64,dbus,udev,kmod,procps,mount,libstdc++6
packages=$packages,mmdebstrap,systemd-container,iproute2,nftables,iptables,socat,conntrack,shellcheck,openssh-client,util-linux,ca-certificates
rm -rf --one-file-system "$root" "$work/disk.img" "$output"
quietly mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$root"
folders=$(sh "$project/scripts/run.sh" lab/cgroup-v2/cache-folders.ts)
mkdir -p "$root/root/project" "$root/root/.cache/control-plane-lb"
git -C "$project" archive HEAD | tar -x -C "$root/root/project"
cp -a "$project/node_modules" "$root/root/project/"
for folder in $folders; do cp -a "$folder" "$root/root/.cache/control-plane-lb/"; done

cat >"$root/etc/systemd/system/try.service" <<'UNIT'
[Service]
Type=oneshot
StandardOutput=tty
StandardError=inherit
TTYPath=/dev/ttyS1
ExecStart=/bin/sh /root/project/lab/cgroup-v2/inside.sh
ExecStopPost=/bin/systemctl --no-block poweroff
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
UNIT
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../try.service "$root/etc/systemd/system/multi-user.target.wants/try.service"
echo v2host >"$root/etc/hostname"
printf '127.0.0.1 localhost v2host\n' >"$root/etc/hosts"
cp "$root"/boot/vmlinuz-* "$work/vmlinuz"
cp "$root"/boot/initrd.img-* "$work/initrd"
quietly mke2fs -q -t ext4 -L root -d "$root" "$work/disk.img" 16G
rm -rf --one-file-system "$root"

echo "QEMU runs; its console: $work/console.log" >&2
# The guest's clock follows its instructions: on a busy host it takes longer, but no deadline in it passes earlier.
# With two processors QEMU 7.2 hangs at "Booting SMP configuration" then.
quietly qemu-system-x86_64 -machine q35 -accel tcg -icount shift=0,sleep=off -cpu max -smp 1 -m 6144 -nic none -no-reboot \
  -kernel "$work/vmlinuz" -initrd "$work/initrd" \
  -append "console=ttyS0 root=LABEL=root rw systemd.default_timeout_start_sec=1800 mitigations=off" \
  -drive "file=$work/disk.img,format=raw,if=virtio,cache=unsafe" \
  -display none -serial "file:$work/console.log" -serial "file:$output"
cat "$output"
grep -q 'RESULT: passed' "$output"
