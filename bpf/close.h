/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* STATE_CB: a socket that reaches TCP_CLOSE takes its entries with it. The callback runs before the
 * kernel frees the addresses and ports, also on the way into TIME_WAIT, so nobody else's entries
 * are met here. */
#ifndef SLUICE_CLOSE_H
#define SLUICE_CLOSE_H

#include "sock.h"

static __always_inline void remove_origin(const struct sock_state *state)
{
	struct sluice_flow flow = state->flow;
	struct sluice_origin *origin = bpf_map_lookup_elem(&origins, &flow);
	if (origin && origin->client_cookie == state->cookie &&
	    !bpf_map_delete_elem(&origins, &flow))
		count(SLUICE_COUNT_ORIGIN_REMOVED, 0);
}

static __always_inline void remove_bypass(const struct sock_state *state)
{
	struct sluice_flow flow = state->flow;
	struct sluice_bypass *bypass = bpf_map_lookup_elem(&bypasses, &flow);
	if (bypass && bypass->leg_cookie == state->cookie && !bpf_map_delete_elem(&bypasses, &flow))
		count(SLUICE_COUNT_BYPASS_REMOVED, 0);
}

static __always_inline int closed(const struct sock_state *state)
{
	__u64 cookie = state->cookie;
	if (state->kind == KIND_CLIENT)
		remove_origin(state);
	else if (state->kind == KIND_LEG_OUT)
		remove_bypass(state);
	struct sluice_sock *info = find_sock(cookie);
	if (info) {
		account_queue(info, 0);
		bpf_map_delete_elem(&pairs, &cookie);
		bpf_map_delete_elem(&sock_info, &cookie);
	}
	return count(SLUICE_COUNT_SOCK_CLOSED, 1);
}

#endif
