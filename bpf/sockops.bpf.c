// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* sockops: the life of a TCP socket, as far as the mesh has to know of it. The callbacks are named
 * here; what each does is in publish.h (before the SYN), establish.h, files.h (does it block?) and
 * close.h. */
#include "close.h"
#include "files.h"

#define TCP_CLOSE 7
#define TCP_CLOSE_WAIT 8

static __always_inline struct sock_state *state_of(struct bpf_sock *sk)
{
	return bpf_sk_storage_get(&sock_states, sk, 0, 0);
}

static __always_inline int untouched(void)
{
	return count(SLUICE_COUNT_SOCKOPS_UNTOUCHED, 1);
}

static __always_inline int on_connect(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct sluice_leg *leg = bpf_sk_storage_get(&leg_intents, sk, 0, 0);
	if (leg)
		return publish_leg(ctx, sk, leg);
	struct sock_state *state = state_of(sk);
	return state && state->kind == KIND_CLIENT ? publish_origin(ctx, state) : untouched();
}

static __always_inline int on_active(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct sock_state *state = state_of(sk);
	if (!state)
		return untouched();
	__u64 tcp = (__u64)bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return untouched();
	if (state->kind == KIND_CLIENT)
		return client_established(ctx, state, tcp);
	if (state->kind == KIND_LEG_OUT)
		return leg_out_established(ctx, state, tcp);
	return untouched();
}

static __always_inline int on_passive(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct sluice_flow flow = accepting_flow(ctx);
	__u64 tcp = (__u64)bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return untouched();
	struct sluice_origin *origin = bpf_map_lookup_elem(&origins, &flow);
	if (origin)
		return acceleration_on(origin->flags)
			       ? leg_in_established(ctx, sk, tcp, &flow, origin)
			       : count(SLUICE_COUNT_HASH_SKIPPED_OFF, 1);
	struct sluice_bypass *bypass = bpf_map_lookup_elem(&bypasses, &flow);
	return bypass ? server_established(ctx, sk, tcp, &flow, bypass) : untouched();
}

static __always_inline int on_round_trip(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct sock_state *state = state_of(sk);
	__u64 tcp = (__u64)bpf_skc_to_tcp_sock(sk);
	return state && tcp && state->kind == KIND_SERVER ? look_at_file(ctx, state, tcp)
							  : untouched();
}

static __always_inline int on_state(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct sock_state *state = state_of(sk);
	if (!state)
		return untouched();
	if (ctx->args[1] == TCP_CLOSE)
		return closed(state);
	/* A server that only reads has no byte acknowledged: this is the moment to see its file. */
	__u64 tcp = (__u64)bpf_skc_to_tcp_sock(sk);
	if (tcp && ctx->args[1] == TCP_CLOSE_WAIT && state->kind == KIND_SERVER &&
	    ctx->bpf_sock_ops_cb_flags & BPF_SOCK_OPS_RTT_CB_FLAG)
		return look_at_file(ctx, state, tcp);
	return untouched();
}

SEC("sockops")
int socket_life(struct bpf_sock_ops *ctx)
{
	/* A local copy first: the verifier does not see that ctx->sk stays non-null between two
	 * reads. */
	struct bpf_sock *sk = ctx->sk;
	if (!sk)
		return untouched();
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		return on_connect(ctx, sk);
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		return on_active(ctx, sk);
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		return on_passive(ctx, sk);
	case BPF_SOCK_OPS_TCP_LISTEN_CB: {
		__u64 tcp = (__u64)bpf_skc_to_tcp_sock(sk);
		return tcp ? listener_seen(ctx, sk, tcp) : untouched();
	}
	case BPF_SOCK_OPS_RTT_CB:
		return on_round_trip(ctx, sk);
	case BPF_SOCK_OPS_STATE_CB:
		return on_state(ctx, sk);
	default:
		return untouched();
	}
}

char _license[] SEC("license") = "Dual BSD/GPL";
