/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What happens when a socket of the mesh becomes ESTABLISHED, the only moment at which it may enter
 * the sockhash. A same-node connection has four sockets, and they become established in this order:
 *
 *     A (app, client) -> P1 (proxy, accepted)        P2 (proxy, leg) -> B (app, accepted)
 *
 * so P1 finds A known, and B finds P2 known; each of them links the two. Whoever may be sent
 * redirected bytes, or send them, is said by flags in sock_info, which the verdict program reads.
 */
#ifndef SLUICE_ESTABLISH_H
#define SLUICE_ESTABLISH_H

#include "habits.h"
#include "pod.h"
#include "publish.h"
#include "sock.h"

#define SOL_TCP 6
#define TCP_NOTSENT_LOWAT 25
#define UNSENT_LIMIT_BYTES (16 << 10)

_Static_assert((int)SLUICE_POD_ACCEL_AUTO == (int)SLUICE_LEG_ACCEL_AUTO,
	       "flags are passed on as they are");
_Static_assert((int)SLUICE_POD_ACCEL_FULL == (int)SLUICE_LEG_ACCEL_FULL,
	       "flags are passed on as they are");

/* A pod that asks for a mode which this kernel does not serve is as one that asks for none. */
static __always_inline int acceleration_on(__u32 flags)
{
	struct sluice_settings *set = get_settings();
	return set && flags & ACCEL_ANY & set->acceleration;
}

/* Into sock_info and the sockhash, or not at all. Returns the entry, or none. */
static __always_inline struct sluice_sock *enter(struct bpf_sock_ops *ctx, struct sock_state *state,
						 __u64 tcp, __u32 flags, __u64 peer)
{
	__u64 cookie = state->cookie;
	struct sluice_sock fresh = {
		.tcp_sock = tcp,
		.peer_cookie = peer,
		.netns_cookie = state->netns_cookie,
		.entered_ns = bpf_ktime_get_ns(),
		.flags = flags | SLUICE_SOCK_IN_HASH,
		.pod_id = state->pod_id,
	};
	if (bpf_map_update_elem(&sock_info, &cookie, &fresh, BPF_ANY)) {
		count(SLUICE_COUNT_SOCK_INFO_FULL, 0);
		return 0;
	}
	long error = flags & SLUICE_SOCK_RECEIVE_ONLY
			     ? bpf_sock_hash_update(ctx, &legs, &cookie, BPF_ANY)
			     : bpf_sock_hash_update(ctx, &sockets, &cookie, BPF_ANY);
	if (error) {
		bpf_map_delete_elem(&sock_info, &cookie);
		count(SLUICE_COUNT_HASH_REFUSED, 0);
		return 0;
	}
	watch(ctx, BPF_SOCK_OPS_STATE_CB_FLAG);
	count(SLUICE_COUNT_HASH_ENTERED, 0);
	return find_sock(cookie);
}

/* A leg whose app is not in the sockhash would only pay for being there. Nothing was redirected
 * into it yet. */
static __always_inline void leave_with_app(__u64 cookie)
{
	struct sluice_sock *info = find_sock(cookie);
	if (!info || !(flags_of(info) & SLUICE_SOCK_IN_HASH))
		return;
	clear_flags(info, SLUICE_SOCK_IN_HASH | SLUICE_SOCK_TO_PEER);
	if (flags_of(info) & SLUICE_SOCK_RECEIVE_ONLY)
		bpf_map_delete_elem(&legs, &cookie);
	else
		bpf_map_delete_elem(&sockets, &cookie);
	count(SLUICE_COUNT_HASH_LEFT_PEER, 0);
}

/* What would break an app whatever its file says. Counts, and returns 1, when it has to stay out.
 */
static __always_inline int app_unsuited(const struct sock_state *state, __u64 tcp, __u32 mode)
{
	if (sock_zerocopy(tcp))
		return count(SLUICE_COUNT_HASH_SKIPPED_ZEROCOPY, 1);
	if (sock_memory_limited(tcp) || !sock_memory_for(tcp, 0))
		return count(SLUICE_COUNT_HASH_SKIPPED_MEMORY, 1);
	if (mode & ACCEL_FULL &&
	    has_habit(state->netns_cookie, sock_cgroup_id(tcp), SLUICE_HABIT_SPLICES))
		return count(SLUICE_COUNT_HASH_SKIPPED_SPLICE, 1);
	return 0;
}

/* Does not block now, and will: trace.bpf.c has seen others of its cgroup. */
static __always_inline int client_will_block(const struct sock_state *state, __u64 tcp, __u32 mode)
{
	return mode & ACCEL_FULL &&
	       has_habit(state->netns_cookie, sock_cgroup_id(tcp), SLUICE_HABIT_CLIENT_BLOCKS);
}

/* Only mode full sends redirected bytes out of a leg. */
static __always_inline __u32 leg_flags(__u32 mode)
{
	return mode & ACCEL_FULL ? 0 : SLUICE_SOCK_RECEIVE_ONLY;
}

/* In mode full the TCP way is the one that makes a sender wait: while the direct one is full. What
 * it may leave unsent there is what keeps it from going directly again. An app's own setting stays.
 */
static __always_inline void limit_unsent(struct bpf_sock_ops *ctx, __u64 tcp)
{
	int limit = UNSENT_LIMIT_BYTES;
	if (sock_unsent_limit(tcp) == 0)
		bpf_setsockopt(ctx, SOL_TCP, TCP_NOTSENT_LOWAT, &limit, sizeof(limit));
}

/* A: an app's socket whose connect was intercepted. */
static __always_inline int client_established(struct bpf_sock_ops *ctx, struct sock_state *state,
					      __u64 tcp)
{
	__u32 mode = state->pod_flags;
	if (!acceleration_on(mode))
		return count(SLUICE_COUNT_HASH_SKIPPED_OFF, 1);
	/* A blocking recv() on a socket in the sockhash returns EAGAIN when something other than
	 * data wakes it. */
	if (sock_file_mode(tcp) != FILE_DOES_NOT_BLOCK || client_will_block(state, tcp, mode))
		return count(SLUICE_COUNT_HASH_SKIPPED_BLOCKING, 1);
	if (app_unsuited(state, tcp, mode))
		return 1;
	__u32 pairable = mode & ACCEL_FULL ? SLUICE_SOCK_PAIRABLE : 0;
	if (enter(ctx, state, tcp, SLUICE_SOCK_APP | pairable, 0) && pairable)
		limit_unsent(ctx, tcp);
	return 1;
}

/* P1: the proxy's listener has taken A's connection. */
static __always_inline int leg_in_established(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					      __u64 tcp, const struct sluice_flow *flow,
					      const struct sluice_origin *origin)
{
	__u64 client = origin->client_cookie;
	__u32 mode = origin->flags;
	struct sluice_sock *app = find_sock(client);
	if (!app || !(flags_of(app) & SLUICE_SOCK_IN_HASH))
		return count(SLUICE_COUNT_HASH_SKIPPED_PEER, 1);
	struct sock_state fresh = {
		.cookie = bpf_get_socket_cookie(ctx),
		.netns_cookie = origin->netns_cookie,
		.flow = *flow,
		.kind = KIND_LEG_IN,
		.pod_id = origin->pod_id,
	};
	struct sock_state *state =
		bpf_sk_storage_get(&sock_states, sk, &fresh, BPF_SK_STORAGE_GET_F_CREATE);
	if (!state)
		return count(SLUICE_COUNT_SOCK_LOST_STORAGE, 1);
	__u32 to_peer =
		mode & ACCEL_FULL ? SLUICE_SOCK_TO_PEER : 0; /* A's file has been seen already */
	if (!enter(ctx, state, tcp, to_peer | leg_flags(mode), client)) {
		leave_with_app(client);
		return 1;
	}
	app->peer_cookie = state->cookie;
	set_flags(app, SLUICE_SOCK_TO_PEER);
	return 1;
}

/* P2: the proxy's leg, whose other end may turn out to be on this node. It cannot enter later. */
static __always_inline int leg_out_established(struct bpf_sock_ops *ctx, struct sock_state *state,
					       __u64 tcp)
{
	if (!acceleration_on(state->pod_flags))
		return count(SLUICE_COUNT_HASH_SKIPPED_OFF, 1);
	enter(ctx, state, tcp, leg_flags(state->pod_flags), 0);
	return 1;
}

static __always_inline __u32 accept_mode(__u64 netns, __u32 port,
					 const struct listen_state *listener)
{
	__u32 learnt = accepts(netns, port);
	if (learnt != SLUICE_ACCEPTS_UNKNOWN)
		return learnt;
	return listener && listener->nonblocking ? SLUICE_ACCEPTS_NONBLOCKING
						 : SLUICE_ACCEPTS_UNKNOWN;
}

/* B enters on what is known of its listener; its own file does not exist yet, so nothing is
 * redirected into or out of it until files.h has seen that file. */
static __always_inline int server_enters(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					 struct sock_state *state, __u64 tcp, __u64 leg_cookie)
{
	struct sluice_sock *leg = find_sock(leg_cookie);
	if (!leg || !(flags_of(leg) & SLUICE_SOCK_IN_HASH))
		return count(SLUICE_COUNT_HASH_SKIPPED_PEER, 0);
	struct listen_state *listener = bpf_sk_storage_get(&listen_states, sk, 0, 0);
	__u32 known = accept_mode(state->netns_cookie, state->flow.local_port, listener);
	if (known != SLUICE_ACCEPTS_BLOCKING)
		watch(ctx, BPF_SOCK_OPS_RTT_CB_FLAG | BPF_SOCK_OPS_STATE_CB_FLAG);
	if (known != SLUICE_ACCEPTS_NONBLOCKING)
		return count(SLUICE_COUNT_HASH_SKIPPED_BLOCKING, 0);
	if (app_unsuited(state, tcp, state->pod_flags))
		return 0;
	__u32 flags = SLUICE_SOCK_APP | SLUICE_SOCK_CHECK_FILE;
	if (state->pod_flags & ACCEL_FULL)
		flags |= SLUICE_SOCK_PAIRABLE;
	if (!enter(ctx, state, tcp, flags, leg_cookie))
		return 0;
	leg->peer_cookie = state->cookie;
	if (flags & SLUICE_SOCK_PAIRABLE)
		limit_unsent(ctx, tcp);
	return 1;
}

/* B: an app has a connection that the proxy, or the kubelet, announced. */
static __always_inline int server_established(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					      __u64 tcp, const struct sluice_flow *flow,
					      const struct sluice_bypass *bypass)
{
	__u64 netns = bpf_get_netns_cookie(ctx), leg_cookie = bypass->leg_cookie;
	struct sock_state fresh = {
		.cookie = bpf_get_socket_cookie(ctx),
		.netns_cookie = netns,
		.flow = *flow,
		.kind = KIND_SERVER,
		.peer = bypass->client,
		.peer_port = bypass->client_port,
	};
	__u32 probe = bypass->flags & SLUICE_BYPASS_PROBE;
	struct sluice_pod *pod = bpf_map_lookup_elem(&pods_by_netns, &netns);
	if (pod) {
		fresh.pod_id = pod->pod_id;
		fresh.pod_flags = pod->flags;
	}
	bpf_map_delete_elem(&bypasses, flow);
	if (probe) /* what the app sees is the truth already */
		return count(SLUICE_COUNT_BYPASS_TAKEN, 1);
	struct sock_state *state =
		bpf_sk_storage_get(&sock_states, sk, &fresh, BPF_SK_STORAGE_GET_F_CREATE);
	if (!state)
		return count(SLUICE_COUNT_SOCK_LOST_STORAGE, 1);
	count(SLUICE_COUNT_BYPASS_TAKEN, 1);
	if (!acceleration_on(fresh.pod_flags))
		count(SLUICE_COUNT_HASH_SKIPPED_OFF, 1);
	else if (server_enters(ctx, sk, state, tcp, leg_cookie))
		return 1;
	leave_with_app(leg_cookie);
	return 1;
}

#endif
