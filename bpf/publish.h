/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* TCP_CONNECT_CB: addresses and ports are final and the SYN has not left. What is published here is
 * known to the sk_lookup program before it can be asked; ACTIVE_ESTABLISHED would be too late. */
#ifndef SLUICE_PUBLISH_H
#define SLUICE_PUBLISH_H

#include "pod.h"

/* Kept apart from the other branch's read by the barrier: the compiler would else join the two into
 * one at a computed offset, which the verifier does not allow in a context. */
#define CTX_WORD(field)               \
	({                            \
		__u32 word = (field); \
		barrier_var(word);    \
		word;                 \
	})

static __always_inline struct sluice_addr local_addr(struct bpf_sock_ops *ctx)
{
	if (ctx->family == AF_INET)
		return addr_from_v4(CTX_WORD(ctx->local_ip4));
	return (struct sluice_addr){
		.word = { CTX_WORD(ctx->local_ip6[0]), CTX_WORD(ctx->local_ip6[1]),
			  CTX_WORD(ctx->local_ip6[2]), CTX_WORD(ctx->local_ip6[3]) }
	};
}

static __always_inline struct sluice_addr remote_addr(struct bpf_sock_ops *ctx)
{
	if (ctx->family == AF_INET)
		return addr_from_v4(CTX_WORD(ctx->remote_ip4));
	return (struct sluice_addr){
		.word = { CTX_WORD(ctx->remote_ip6[0]), CTX_WORD(ctx->remote_ip6[1]),
			  CTX_WORD(ctx->remote_ip6[2]), CTX_WORD(ctx->remote_ip6[3]) }
	};
}

/* The connecting side's remote end is the accepting side's local one. */
static __always_inline struct sluice_flow connecting_flow(struct bpf_sock_ops *ctx)
{
	return (struct sluice_flow){
		.local = remote_addr(ctx),
		.remote = local_addr(ctx),
		.local_port = bpf_ntohl(ctx->remote_port),
		.remote_port = ctx->local_port,
	};
}

static __always_inline struct sluice_flow accepting_flow(struct bpf_sock_ops *ctx)
{
	return (struct sluice_flow){
		.local = local_addr(ctx),
		.remote = remote_addr(ctx),
		.local_port = ctx->local_port,
		.remote_port = bpf_ntohl(ctx->remote_port),
	};
}

static __always_inline void watch(struct bpf_sock_ops *ctx, __u32 callbacks)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | callbacks);
}

static __always_inline int publish_origin(struct bpf_sock_ops *ctx, struct sock_state *state)
{
	struct sluice_flow flow = connecting_flow(ctx);
	struct sluice_origin origin = {
		.client_cookie = state->cookie,
		.netns_cookie = state->netns_cookie,
		.addr = state->peer,
		.port = state->peer_port,
		.flags = state->pod_flags,
		.pod_id = state->pod_id,
	};
	state->flow = flow;
	watch(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
	if (bpf_map_update_elem(&origins, &flow, &origin, BPF_ANY))
		return count(SLUICE_COUNT_ORIGIN_MAP_FULL, 1);
	return count(SLUICE_COUNT_ORIGIN_PUBLISHED, 1);
}

/* `state` remembers the flow, so that a leg that never gets through leaves nothing behind. */
static __always_inline int publish_bypass(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					  struct sock_state *state, struct sluice_bypass *bypass,
					  __u32 done)
{
	struct sluice_flow flow = state->flow;
	state->kind = KIND_LEG_OUT;
	state->cookie = bypass->leg_cookie = bpf_get_socket_cookie(ctx);
	state->netns_cookie = bpf_get_netns_cookie(ctx);
	struct sock_state *kept =
		bpf_sk_storage_get(&sock_states, sk, state, BPF_SK_STORAGE_GET_F_CREATE);
	if (!kept)
		return count(SLUICE_COUNT_SOCK_LOST_STORAGE, 1);
	*kept = *state;
	watch(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
	if (bpf_map_update_elem(&bypasses, &flow, bypass, BPF_ANY))
		return count(SLUICE_COUNT_BYPASS_MAP_FULL, 1);
	return count(done, 1);
}

static __always_inline int publish_leg(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
				       const struct sluice_leg *leg)
{
	if (!(leg->flags & SLUICE_LEG_BYPASS))
		return count(SLUICE_COUNT_LEG_PLAIN, 1);
	struct sock_state state = { .flow = connecting_flow(ctx), .pod_flags = leg->flags };
	struct sluice_bypass bypass = {
		.client = leg->client,
		.client_port = leg->client_port,
		.flags = leg->flags,
		.generation = leg->generation,
	};
	return publish_bypass(ctx, sk, &state, &bypass, SLUICE_COUNT_BYPASS_PUBLISHED);
}

#endif
