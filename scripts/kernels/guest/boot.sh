#!/bin/sh
# Brings a guest up to what a node has: file systems, loopback, modules; runs the tests; ends the
# machine. What is said on ttyS1 is read by scripts/kernels/session.ts, a JSON object a line.
export PATH=/usr/bin:/bin:/sbin HOME=/root NO_COLOR=1 TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
stty -F /dev/ttyS1 raw -echo
echo '{"kind":"booted"}' > /dev/ttyS1
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
ln -s /proc/self/fd /dev/fd
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# As systemd mounts it.
mount -t bpf -o mode=700 bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
hostname sluice-guest
ip link set lo up
ulimit -n 1048576
for module in veth dummy nf_tables nft_ct nft_nat nft_masq nft_redir sch_netem sch_tbf tls \
	nf_conntrack nf_conntrack_netlink; do
	modprobe -q $module
done
# Tests move fewer bytes (test/kernel/support/guest.ts).
export SLUICE_GUEST=1
# Nodes and pods of the lab may take so many times longer (src/lab/process/wait.ts).
export SLUICE_PATIENCE=15
# Emulated, compiling takes most of what a test's processes do.
export NODE_COMPILE_CACHE=/run/node-cache
export NODE_OPTIONS='--import /sluice/scripts/kernels/guest/plain-types.mjs'
# From here on a warning of the kernel is ours.
echo 'sluice: tests begin' > /dev/kmsg
cd /sluice
node scripts/kernels/guest/run.ts > /dev/ttyS1
echo "{\"kind\":\"ended\",\"status\":$?}" > /dev/ttyS1
sync
reboot -f
