/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Does sockops see a connect before its SYN, and both ends when they are established? Are they
 * taken into a sockhash then? */
#include "probe.h"

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 64);
	__type(key, struct probe_key);
	__type(value, __u64);
} probe_sockets SEC(".maps");

/* Kernel addresses of the sockets, for the program that asks for their queues. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct probe_key);
	__type(value, __u64);
} probe_addresses SEC(".maps");

/* Source ports of connects whose SYN may come now. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} probe_published SEC(".maps");

static __always_inline void enter(struct bpf_sock_ops *ctx, struct probe_key *key)
{
	struct bpf_sock *sk = ctx->sk;
	struct tcp_sock *tcp;
	__u64 address;
	long error;

	if (!sk)
		return;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return;
	address = (__u64)tcp;
	bpf_map_update_elem(&probe_addresses, key, &address, BPF_ANY);
	error = bpf_sock_hash_update(ctx, &probe_sockets, key, BPF_ANY);
	probe_note(PROBE_SOCKHASH, -error);
}

SEC("sockops")
int probe_sockops(struct bpf_sock_ops *ctx)
{
	struct probe_key key = {
		.local_port = ctx->local_port,
		.remote_port = bpf_ntohl(ctx->remote_port),
	};
	__u32 port = key.local_port, one = 1;

	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		probe_note(PROBE_SOCKOPS_CONNECT, bpf_get_netns_cookie(ctx));
		bpf_map_update_elem(&probe_published, &port, &one, BPF_ANY);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		probe_note(PROBE_SOCKOPS_ACTIVE, bpf_get_netns_cookie(ctx));
		enter(ctx, &key);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		probe_note(PROBE_SOCKOPS_PASSIVE, bpf_get_netns_cookie(ctx));
		enter(ctx, &key);
		break;
	}
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
