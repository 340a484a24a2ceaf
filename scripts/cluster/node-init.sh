#!/bin/sh
# First steps of a node, as the first process of namespaces of its own: what a machine's boot does.
#   node-init.sh NAME FOLDER PARTS      hierarchies on standard input, one a line: TYPE OPTIONS MOUNT
# FOLDER stands for the node's disk. All mounts are the node's own and end with it.
set -eu
name=$1 folder=$2 parts=$3

hostname "$name"
mount --make-rprivate /
mount -t proc proc /proc

# What is mounted there belongs to others; held by us, their namespaces would outlive them.
awk '$5 ~ "^/(run|tmp|var/lib)/|^/sys/fs/bpf$" { print $5 }' /proc/self/mountinfo | sort -r |
	while read -r at; do umount -l "$at" 2>/dev/null || :; done

# The node's cgroup is the root of what it sees, as on a machine of its own.
while read -r type options at; do
	umount -l "$at"
	case $type in
	cgroup2) mount -t cgroup2 cgroup2 "$at" && unified=$at ;;
	cgroup) mount -t cgroup -o "$options" cgroup "$at" ;;
	esac
done
mkdir -p "$unified/init.scope"
echo 0 >"$unified/init.scope/cgroup.procs"

# Pins of its own, at the place where everybody looks for them.
mount -t bpf -o mode=700 bpf /sys/fs/bpf

# The kubelet insists on these; the machine's own stay as they are.
for setting in vm.overcommit_memory=1 vm.panic_on_oom=0 kernel.panic=10 kernel.panic_on_oops=1 \
	kernel.keys.root_maxkeys=1000000 kernel.keys.root_maxbytes=25000000; do
	key=${setting%=*}
	echo "${setting#*=}" >"$folder/sysctl/$key"
	mount --bind "$folder/sysctl/$key" "/proc/sys/$(echo "$key" | tr . /)"
done

mount --bind "$parts" "$folder/run/parts"
mount -t overlay -o "lowerdir=/etc,upperdir=$folder/etc,workdir=$folder/etc.work" etc /etc
mount --bind "$folder/log" /var/log
mount --rbind "$folder/run" /run
# Last: FOLDER itself is below it.
mount --bind "$folder/lib" /var/lib
# Containers may ask for mounts that reach the node.
mount --make-rshared /
exec /run/parts/pause
