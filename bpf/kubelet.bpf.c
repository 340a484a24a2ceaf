// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* sockops for the kubelet's own cgroup: its probes reach pods directly, as without a mesh.
 * Recognised where the socket is opened: exempting the node's address would let every pod of the
 * host's network around policy. */
#include "close.h"
#include "publish.h"

#define TCP_CLOSE 7

static __always_inline int publish_probe(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct sock_state state = { .flow = connecting_flow(ctx) };
	struct sluice_pod *pod = bpf_map_lookup_elem(&pods_by_addr, &state.flow.local);
	if (!pod || !(pod->flags & SLUICE_POD_ENROLLED))
		return count(SLUICE_COUNT_PROBE_NOT_POD, 1);
	struct sluice_bypass bypass = {
		.client = state.flow.remote,
		.client_port = state.flow.remote_port,
		.flags = SLUICE_BYPASS_PROBE,
	};
	return publish_bypass(ctx, sk, &state, &bypass, SLUICE_COUNT_PROBE_PUBLISHED);
}

SEC("sockops")
int kubelet_life(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	if (!sk)
		return count(SLUICE_COUNT_SOCKOPS_UNTOUCHED, 1);
	if (ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		return publish_probe(ctx, sk);
	if (ctx->op == BPF_SOCK_OPS_STATE_CB && ctx->args[1] == TCP_CLOSE) {
		struct sock_state *state = bpf_sk_storage_get(&sock_states, sk, 0, 0);
		if (state)
			return closed(state);
	}
	return count(SLUICE_COUNT_SOCKOPS_UNTOUCHED, 1);
}

char _license[] SEC("license") = "Dual BSD/GPL";
