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

typedef struct {
	__s64 counter;
} atomic_long_t;

/* What all sockets of a protocol share. */
struct proto {
	atomic_long_t *memory_allocated; /* pages */
	unsigned long *memory_pressure;
	long *sysctl_mem; /* three numbers of pages */
};

struct page_counter {
	unsigned long max;
	struct page_counter *parent;
};

struct mem_cgroup {
	struct page_counter tcpmem;
};

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
	struct proto *skc_prot;
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
	struct mem_cgroup *sk_memcg;
};

struct tcp_sock {
	__u32 copied_seq;
	__u32 rcv_nxt;
	__u64 bytes_received;
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

static __always_inline __u32 sock_receive_next(__u64 address)
{
	struct tcp_sock *tcp = (void *)address;
	return BPF_CORE_READ(tcp, rcv_nxt);
}

/* By TCP. */
static __always_inline __u64 sock_received_bytes(__u64 address)
{
	struct tcp_sock *tcp = (void *)address;
	return BPF_CORE_READ(tcp, bytes_received);
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

#define PAGE_BYTES_LEAST 4096
#define MEMORY_MARGIN_PAGES 512 /* a CPU takes 256 pages at once, for later */

/* Would the kernel find memory for so many bytes more in this socket's queue? Where it would not, a
 * redirect fails in the sender's own send(2), which TCP's bytes do not. From net.ipv4.tcp_mem[1] on
 * it asks how much each socket holds; somewhat below, so that what others take between this look
 * and the redirect leaves it true. */
static __always_inline int sock_memory_for(__u64 address, __u32 bytes)
{
	struct sock *sk = (void *)address;
	struct proto *proto = BPF_CORE_READ(sk, __sk_common.skc_prot);
	unsigned long *pressure = BPF_CORE_READ(proto, memory_pressure), under_pressure = 1;
	long *limits = BPF_CORE_READ(proto, sysctl_mem), limit = 0;
	long pages = BPF_CORE_READ(proto, memory_allocated, counter) + bytes / PAGE_BYTES_LEAST;
	bpf_probe_read_kernel(&under_pressure, sizeof(under_pressure), pressure);
	bpf_probe_read_kernel(&limit, sizeof(limit), limits + 1);
	return !under_pressure && pages + MEMORY_MARGIN_PAGES < limit - (limit >> 5);
}

#define MEMCG_LEVELS 5
#define UNLIMITED_PAGES (1UL << 40)

/* Has the memory of TCP sockets of this socket's cgroup a limit of its own (cgroup v1,
 * memory.kmem.tcp.limit_in_bytes)? At such a limit a send of a socket in the sockhash gets EAGAIN
 * with nothing under way that would wake its sender; TCP always lets one packet pass. */
static __always_inline int sock_memory_limited(__u64 address)
{
	struct sock *sk = (void *)address;
	struct mem_cgroup *group = 0;
	if (!bpf_core_field_exists(sk->sk_memcg) || !bpf_core_field_exists(group->tcpmem))
		return 0;
	group = BPF_CORE_READ(sk, sk_memcg);
	if (!group)
		return 0;
	unsigned long limit = BPF_CORE_READ(group, tcpmem.max);
	struct page_counter *above = BPF_CORE_READ(group, tcpmem.parent);
	for (int level = 0; level < MEMCG_LEVELS && above && limit >= UNLIMITED_PAGES; level++) {
		limit = BPF_CORE_READ(above, max);
		above = BPF_CORE_READ(above, parent);
	}
	return limit < UNLIMITED_PAGES;
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
