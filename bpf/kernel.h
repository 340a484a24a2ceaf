/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The few kernel fields that the programs read, found at load time by CO-RE whatever their offset.
 * Written by hand: a vmlinux.h of the build machine would hide which fields the programs really
 * depend on. */
#ifndef SLUICE_KERNEL_H
#define SLUICE_KERNEL_H

#include <linux/types.h>
#include <bpf/bpf_core_read.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__s64 counter;
} atomic64_t;

typedef struct {
	int counter;
} atomic_t;

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct inode {
	unsigned short i_mode;
};

struct file {
	unsigned int f_flags;
	struct inode *f_inode;
	void *private_data;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct task_struct {
	struct files_struct *files;
};

struct socket {
	struct file *file;
	struct sock *sk;
};

struct sock_common {
	__be16 skc_dport;
	__u16 skc_num;
	atomic64_t skc_cookie;
	unsigned short skc_family;
	unsigned long skc_flags;
};

struct sock {
	struct sock_common __sk_common;
	struct {
		atomic_t rmem_alloc;
	} sk_backlog;
	int sk_rcvbuf;
	unsigned short sk_protocol;
	struct socket *sk_socket;
	struct sock_cgroup_data sk_cgrp_data;
};

struct tcp_sock {
	__u32 copied_seq;
	__u32 write_seq;
	__u32 notsent_lowat;
};

enum sock_flags {
	SOCK_ZEROCOPY,
};

#pragma clang attribute pop

#define SLUICE_O_NONBLOCK 04000 /* the same on x86 and arm64 */

/* Reads of a socket by its address; what is read is only used after sock_is() said whose memory it
 * is. */
static __always_inline __u32 sock_copied_seq(__u64 address)
{
	struct tcp_sock *tcp = (void *)address;
	return BPF_CORE_READ(tcp, copied_seq);
}

static __always_inline __u32 sock_write_seq(__u64 address)
{
	struct tcp_sock *tcp = (void *)address;
	return BPF_CORE_READ(tcp, write_seq);
}

/* TCP_NOTSENT_LOWAT as the app set it; 0: not set. */
static __always_inline __u32 sock_unsent_limit(__u64 address)
{
	struct tcp_sock *tcp = (void *)address;
	return BPF_CORE_READ(tcp, notsent_lowat);
}

static __always_inline __u32 sock_queued_bytes(__u64 address)
{
	struct sock *sk = (void *)address;
	return BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter);
}

/* The memory of a closed socket may carry another one by now: the cookie tells. */
static __always_inline int sock_is(__u64 address, __u64 cookie)
{
	struct sock *sk = (void *)address;
	return (__u64)BPF_CORE_READ(sk, __sk_common.skc_cookie.counter) == cookie;
}

static __always_inline __u64 sock_cgroup_id(__u64 address)
{
	struct sock *sk = (void *)address;
	return BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
}

static __always_inline int sock_zerocopy(__u64 address)
{
	struct sock *sk = (void *)address;
	unsigned int bit = bpf_core_enum_value(enum sock_flags, SOCK_ZEROCOPY);
	return (BPF_CORE_READ(sk, __sk_common.skc_flags) >> (bit & 63)) & 1;
}

enum file_mode {
	FILE_NONE, /* not accepted by the app yet, or closed */
	FILE_BLOCKS,
	FILE_DOES_NOT_BLOCK,
};

static __always_inline enum file_mode sock_file_mode(__u64 address)
{
	struct sock *sk = (void *)address;
	struct socket *socket = BPF_CORE_READ(sk, sk_socket);
	if (!socket)
		return FILE_NONE;
	struct file *file = BPF_CORE_READ(socket, file);
	if (!file)
		return FILE_NONE;
	return BPF_CORE_READ(file, f_flags) & SLUICE_O_NONBLOCK ? FILE_DOES_NOT_BLOCK : FILE_BLOCKS;
}

#endif
