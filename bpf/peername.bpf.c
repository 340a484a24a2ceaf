// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup/getpeername4 and getpeername6, which accept(2) runs too: an app is told whom it asked for,
 * or who its client really is, instead of the proxy's end of the connection. */
#include "pod.h"

#define PROCEED 1
#define IPPROTO_MPTCP 262

struct peer {
	struct sluice_addr addr;
	__u16 port;
};

/* Both programs proceed whatever they found; find_peer() counts what that was. */
static __always_inline int told(void)
{
	return PROCEED;
}

/* An MPTCP client's storage hangs on its subflow, which this hook is not given: the published tuple
 * knows. */
static __always_inline int find_by_tuple(struct bpf_sock_addr *ctx, const struct sluice_addr *own,
					 const struct sluice_addr *shown, struct peer *peer)
{
	struct sluice_flow flow = {
		.local = *shown,
		.remote = *own,
		.local_port = bpf_ntohs(ctx->user_port),
		.remote_port = ctx->sk->src_port,
	};
	struct sluice_origin *origin = bpf_map_lookup_elem(&origins, &flow);
	if (!origin)
		return 0;
	peer->addr = origin->addr;
	peer->port = origin->port;
	return 1;
}

static __always_inline int find_peer(struct bpf_sock_addr *ctx, const struct sluice_addr *own,
				     const struct sluice_addr *shown, struct peer *peer)
{
	struct bpf_sock *sk = ctx->sk;
	if (!sk)
		return count(SLUICE_COUNT_PEERNAME_UNTOUCHED, 0);
	struct sock_state *state = bpf_sk_storage_get(&sock_states, sk, 0, 0);
	if (state && (state->kind == KIND_CLIENT || state->kind == KIND_SERVER)) {
		peer->addr = state->peer;
		peer->port = state->peer_port;
		return count(state->kind == KIND_CLIENT ? SLUICE_COUNT_PEERNAME_ORIGIN
							: SLUICE_COUNT_PEERNAME_CLIENT,
			     1);
	}
	if (ctx->protocol == IPPROTO_MPTCP && find_by_tuple(ctx, own, shown, peer))
		return count(SLUICE_COUNT_PEERNAME_BY_TUPLE, 1);
	return count(SLUICE_COUNT_PEERNAME_UNTOUCHED, 0);
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	struct sluice_addr shown = addr_from_v4(ctx->user_ip4);
	struct sluice_addr own = addr_from_v4(ctx->sk->src_ip4);
	struct peer peer;
	if (find_peer(ctx, &own, &shown, &peer) && addr_is_v4(&peer.addr)) {
		ctx->user_ip4 = peer.addr.word[3];
		ctx->user_port = bpf_htons(peer.port);
	}
	return told();
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
	struct sluice_addr shown = { .word = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
					       ctx->user_ip6[3] } };
	struct sluice_addr own = { .word = { ctx->sk->src_ip6[0], ctx->sk->src_ip6[1],
					     ctx->sk->src_ip6[2], ctx->sk->src_ip6[3] } };
	struct peer peer;
	if (find_peer(ctx, &own, &shown, &peer)) {
		ctx->user_ip6[0] = peer.addr.word[0];
		ctx->user_ip6[1] = peer.addr.word[1];
		ctx->user_ip6[2] = peer.addr.word[2];
		ctx->user_ip6[3] = peer.addr.word[3];
		ctx->user_port = bpf_htons(peer.port);
	}
	return told();
}

char _license[] SEC("license") = "Dual BSD/GPL";
