/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Whether an accepted socket blocks is written in its file, which does not exist yet when the
 * socket becomes established. It is looked at when the first of its bytes is acknowledged, or when
 * its client has ended; what was seen is remembered for the next connections of the same listener.
 */
#ifndef SLUICE_FILES_H
#define SLUICE_FILES_H

#include "establish.h"

static __always_inline void learn(const struct sock_state *state, __u32 mode)
{
	learn_accepts(state->netns_cookie, state->flow.local_port, mode);
}

/* It is in the sockhash on its listener's word, and that was wrong, or its cgroup, which it has
 * from accept(2) on, does not suit. One that took part already has been turned blocking since, and
 * may hold redirected bytes, which leaving throws away: the verdict program deals with it. */
static __always_inline int leave(const struct sock_state *state, int blocks)
{
	__u64 cookie = state->cookie;
	struct sluice_sock *app = find_sock(cookie);
	if (app && flags_of(app) & SLUICE_SOCK_IN_HASH && !(flags_of(app) & SLUICE_SOCK_CHECK_FILE))
		return count(SLUICE_COUNT_FILE_TURNED_BLOCKING, 1);
	learn(state, SLUICE_ACCEPTS_BLOCKING);
	if (!app || !(flags_of(app) & SLUICE_SOCK_IN_HASH))
		return count(blocks ? SLUICE_COUNT_HASH_SKIPPED_BLOCKING
				    : SLUICE_COUNT_HASH_SKIPPED_MEMORY,
			     1);
	__u64 leg = app->peer_cookie;
	clear_flags(app, SLUICE_SOCK_IN_HASH | SLUICE_SOCK_TO_PEER | SLUICE_SOCK_PAIRABLE);
	bpf_map_delete_elem(&sockets, &cookie);
	leave_with_app(leg);
	return count(blocks ? SLUICE_COUNT_HASH_LEFT_BLOCKING : SLUICE_COUNT_HASH_LEFT_MEMORY, 1);
}

static __always_inline int look_at_file(struct bpf_sock_ops *ctx, const struct sock_state *state,
					__u64 tcp)
{
	enum file_mode mode = sock_file_mode(tcp);
	if (mode == FILE_NONE)
		return count(SLUICE_COUNT_FILE_NOT_YET, 1);
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_RTT_CB_FLAG);
	int blocks = mode == FILE_BLOCKS;
	if (blocks || sock_memory_limited(tcp))
		return leave(state, blocks);
	learn(state, SLUICE_ACCEPTS_NONBLOCKING);
	struct sluice_sock *app = find_sock(state->cookie);
	if (app && flags_of(app) & SLUICE_SOCK_CHECK_FILE)
		file_is_nonblocking(app);
	else
		count(SLUICE_COUNT_FILE_NONBLOCKING, 1);
	return 1;
}

/* listen(2): the program behind a port may be another one now, so what was learnt of it is
 * forgotten. */
static __always_inline int listener_seen(struct bpf_sock_ops *ctx, struct bpf_sock *sk, __u64 tcp)
{
	struct listen_state seen = { .nonblocking = sock_file_mode(tcp) == FILE_DOES_NOT_BLOCK };
	__u64 cgroup = sock_cgroup_id(tcp);
	if (bpf_map_lookup_elem(&proxy_cgroups, &cgroup))
		return count(SLUICE_COUNT_SOCKOPS_UNTOUCHED, 1);
	forget_accepts(bpf_get_netns_cookie(ctx), ctx->local_port);
	struct listen_state *kept =
		bpf_sk_storage_get(&listen_states, sk, &seen, BPF_SK_STORAGE_GET_F_CREATE);
	if (!kept)
		return count(SLUICE_COUNT_SOCK_LOST_STORAGE, 1);
	*kept = seen;
	return count(SLUICE_COUNT_LISTENER_SEEN, 1);
}

#endif
