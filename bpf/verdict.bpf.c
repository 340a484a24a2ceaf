// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* sk_msg: runs in each send of a socket in the sockhash `sockets`, in the sender's own call, and
 * decides where these bytes go: on by TCP, into the proxy's leg, or (mode full) into the app's
 * socket, the one at the other end of the pair included. Never SK_DROP: it gives the app EACCES,
 * and sticks.
 *
 * Order of bytes. A receiver reads redirected bytes before those that came by TCP. So, X sending to
 * Y: redirect -> TCP       always safe TCP -> redirect       when Y has read all of X's TCP bytes:
 * X.write_seq == Y.copied_seq leg -> direct A to B  when also nothing is in P1, in the proxy (busy
 * == 0), or by TCP between P2 and B */
#include "pod.h"
#include "sock.h"

/* A queue that changed by less does not touch the node's sum, which all CPUs share. */
#define ACCOUNT_STEP_BYTES 32768

/* How long an accepted socket may look blocking before it counts as such: apps set O_NONBLOCK after
 * accept(). */
#define ACCEPT_GRACE_NS 50000000ULL

static __always_inline int by_tcp(__u32 why)
{
	return count(why, SK_PASS);
}

/* A target that user space or a callback has taken out, or whose memory is another socket's by now,
 * is no target. */
static __always_inline struct sluice_sock *find_live(__u64 cookie)
{
	struct sluice_sock *info = find_sock(cookie);
	if (!info || !(flags_of(info) & SLUICE_SOCK_IN_HASH) || !sock_is(info->tcp_sock, cookie))
		return 0;
	return info;
}

static __always_inline int all_read(const struct sluice_sock *from, const struct sluice_sock *to)
{
	return sock_write_seq(from->tcp_sock) == sock_copied_seq(to->tcp_sock);
}

/* Nothing but this stops a sender of redirected bytes: there is no window, and no receive buffer
 * limit. */
static __always_inline int has_room(struct sluice_sock *target, __u64 *queued, __u32 size,
				    __u64 limit, __u64 node_limit, __u32 *why)
{
	__u32 zero = 0;
	struct sluice_usage *usage = bpf_map_lookup_elem(&node_usage, &zero);
	__u64 now = sock_queued_bytes(target->tcp_sock), before = target->queued_bytes;
	*queued = now;
	if (now > before + ACCOUNT_STEP_BYTES || before > now + ACCOUNT_STEP_BYTES)
		account_queue(target, now);
	*why = SLUICE_COUNT_VERDICT_OVER_LIMIT;
	if (now + size > limit)
		return 0;
	*why = SLUICE_COUNT_VERDICT_OVER_NODE_LIMIT;
	if (!usage || (__s64)usage->queued_bytes + (__s64)size > (__s64)node_limit)
		return 0;
	*why = SLUICE_COUNT_VERDICT_MEMORY;
	return sock_memory_for(target->tcp_sock, size);
}

static __always_inline int redirect(struct sk_msg_md *msg, const struct sluice_sock *target,
				    __u64 cookie)
{
	if (flags_of(target) & SLUICE_SOCK_RECEIVE_ONLY)
		return bpf_msg_redirect_hash(msg, &legs, &cookie, BPF_F_INGRESS) == SK_PASS;
	return bpf_msg_redirect_hash(msg, &sockets, &cookie, BPF_F_INGRESS) == SK_PASS;
}

static __noinline int turned_blocking(struct sluice_sock *app, __u64 cookie)
{
	if (!app)
		return 0;
	set_flags(app, SLUICE_SOCK_BLOCKING);
	struct sluice_event event = {
		.at_ns = bpf_ktime_get_ns(),
		.socket_cookie = cookie,
		.netns_cookie = app->netns_cookie,
		.kind = SLUICE_EVENT_TURNED_BLOCKING,
		.pid = bpf_get_current_pid_tgid() >> 32,
		.pod_id = app->pod_id,
	};
	send_event(&event);
	return count(SLUICE_COUNT_TURNED_BLOCKING, 0);
}

/* May this app's socket take part now? Its own file says so, each time: an app may change it. */
static __always_inline int app_takes_part(struct sluice_sock *app, __u64 cookie, int sends)
{
	__u32 flags = flags_of(app);
	if (flags & (SLUICE_SOCK_BLOCKING | SLUICE_SOCK_SPLICES))
		return sends && !(flags & SLUICE_SOCK_BLOCKING);
	enum file_mode mode = sock_file_mode(app->tcp_sock);
	if (mode == FILE_DOES_NOT_BLOCK) {
		if (flags & SLUICE_SOCK_CHECK_FILE) {
			if (sock_memory_limited(app->tcp_sock))
				return 0; /* files.h takes it out */
			file_is_nonblocking(app);
		}
		return 1;
	}
	if (mode == FILE_NONE)
		return 0;
	if (flags & SLUICE_SOCK_CHECK_FILE &&
	    (sends || bpf_ktime_get_ns() - app->entered_ns < ACCEPT_GRACE_NS))
		return 0; /* files.h looks again when its first byte is acknowledged */
	turned_blocking(app, cookie);
	return 0;
}

/* splice(2) does not see redirected bytes, and who reads by it is known from its first call on. So
 * the first bytes go by TCP: an app that has taken of those without a splice reads by recv(2). Each
 * step must not be older than the one before: what was taken is counted from where the stream
 * began, and the mark of a splice is set before it takes. */
static __always_inline int receives(struct sluice_sock *app)
{
	if (flags_of(app) & SLUICE_SOCK_RECEIVES)
		return 1;
	__u32 received = sock_received_bytes(app->tcp_sock);
	if (received == 0 || __sync_fetch_and_add(&app->flags, 0) & SLUICE_SOCK_SPLICES)
		return 0;
	__u32 begin = sock_receive_next(app->tcp_sock) - received;
	if (__sync_fetch_and_add(&app->flags, 0) & SLUICE_SOCK_SPLICES)
		return 0;
	if ((__s32)(sock_copied_seq(app->tcp_sock) - begin) <= 0)
		return 0;
	return !(__sync_fetch_and_or(&app->flags, SLUICE_SOCK_RECEIVES) & SLUICE_SOCK_SPLICES);
}

struct slot {
	__u32 index;
	struct sluice_pair_control *control;
	struct sluice_pair_stats *stats;
};

static __always_inline int find_slot(const struct sluice_pair *pair, struct slot *slot)
{
	slot->index = pair->slot;
	slot->control = bpf_map_lookup_elem(&pair_control, &slot->index);
	slot->stats = bpf_map_lookup_elem(&pair_stats, &slot->index);
	return slot->control && slot->stats && *(volatile __u64 *)&slot->control->want;
}

/* A send that comes some microseconds before the proxy is done would go by TCP, which costs more
 * than to wait, and puts the next one into the same place: a sender that never rests would not be
 * back on the direct way for a hundred sends. */
#define PROXY_WORKS_NS 40000
/* Smaller ones fit a hundred times into what TCP takes before it makes the sender wait; each would
 * wait in vain where the proxy has lost its CPU. */
#define WORTH_WAITING_BYTES 16384

struct proxy_wait {
	struct sluice_pair_control *control;
	__u64 until_ns;
};

static __always_inline __u64 busy_of(struct sluice_pair_control *control)
{
	return *(volatile __u64 *)&control->busy;
}

static long look_again(__u32 round, struct proxy_wait *wait)
{
	return SLUICE_BUSY_STATE(busy_of(wait->control)) != SLUICE_BUSY_WORKING ||
	       bpf_ktime_get_ns() > wait->until_ns;
}

static __always_inline void wait_for_proxy(struct sluice_pair_control *control)
{
	__u64 busy = busy_of(control), here = SLUICE_BUSY_ON(bpf_get_smp_processor_id());
	if (SLUICE_BUSY_STATE(busy) != SLUICE_BUSY_WORKING || busy == (SLUICE_BUSY_WORKING | here))
		return;
	struct proxy_wait wait = { control, bpf_ktime_get_ns() + PROXY_WORKS_NS };
	count(SLUICE_COUNT_VERDICT_PROXY_AWAITED, 0);
	bpf_loop(PROXY_WORKS_NS / 10, look_again, &wait, 0);
}

/* Everything that A sent so far has left P1 and the proxy. The last read is a full barrier, as the
 * proxy's write of busy before its read(2) is: either it sees our bytes gone, or we see it busy. */
static __always_inline int proxy_is_empty(const struct sluice_sock *me,
					  const struct sluice_sock *leg,
					  struct sluice_pair_control *control)
{
	if (sock_queued_bytes(leg->tcp_sock) != 0 || !all_read(me, leg))
		return 0;
	return __sync_fetch_and_add(&control->busy, 0) == 0;
}

enum direct {
	DIRECT_NEVER, /* the app at the other end takes no part (yet, or any more) */
	DIRECT_LATER, /* bytes are on the way, or no room: TCP, which alone makes the sender wait */
	DIRECT_SENT,
};

static __always_inline enum direct send_direct(struct sk_msg_md *msg, struct sluice_sock *me,
					       struct sluice_sock *leg, __u64 app_cookie,
					       struct slot *slot, const struct sluice_settings *set,
					       __u32 *why)
{
	__u64 queued = 0;
	__u32 size = msg->size;
	/* First: what is looked at below must not be older than the wait. */
	if (size >= WORTH_WAITING_BYTES)
		wait_for_proxy(slot->control);
	struct sluice_sock *app = find_live(app_cookie);
	if (!app || !(flags_of(app) & SLUICE_SOCK_PAIRABLE) ||
	    !app_takes_part(app, app_cookie, 0) || !receives(app))
		return DIRECT_NEVER;
	*why = SLUICE_COUNT_VERDICT_ORDER;
	if (!proxy_is_empty(me, leg, slot->control))
		return DIRECT_LATER;
	struct sluice_sock *app_leg = find_live(app->peer_cookie);
	if (!app_leg || !all_read(app_leg, app))
		return DIRECT_LATER;
	int room = has_room(app, &queued, size, set->pair_limit_bytes, set->node_limit_bytes, why);
	slot->stats->receiver_queued_bytes = queued;
	if (!room) {
		slot->stats->over_limit++;
		return DIRECT_LATER;
	}
	*why = SLUICE_COUNT_VERDICT_TARGET_GONE;
	if (!redirect(msg, app, app_cookie))
		return DIRECT_LATER;
	slot->stats->direct_bytes += size;
	slot->stats->last_direct_ns = bpf_ktime_get_ns();
	return DIRECT_SENT;
}

static __always_inline int send_to_leg(struct sk_msg_md *msg, struct sluice_sock *me,
				       struct sluice_sock *leg, const struct sluice_settings *set,
				       __u32 *why)
{
	__u64 queued = 0;
	*why = SLUICE_COUNT_VERDICT_ORDER;
	if (!all_read(me, leg))
		return 0;
	if (!has_room(leg, &queued, msg->size, set->leg_limit_bytes, set->node_limit_bytes, why))
		return 0;
	*why = SLUICE_COUNT_VERDICT_TARGET_GONE;
	return redirect(msg, leg, me->peer_cookie);
}

static __always_inline int app_sends(struct sk_msg_md *msg, struct sluice_sock *me, __u64 cookie,
				     const struct sluice_settings *set)
{
	__u32 why = 0, size = msg->size;
	struct slot slot = {};
	if (!app_takes_part(me, cookie, 1))
		return by_tcp(SLUICE_COUNT_VERDICT_BLOCKING);
	if (!(flags_of(me) & SLUICE_SOCK_TO_PEER))
		return by_tcp(SLUICE_COUNT_VERDICT_PASS);
	struct sluice_sock *leg = find_live(me->peer_cookie);
	if (!leg)
		return by_tcp(SLUICE_COUNT_VERDICT_TARGET_GONE);
	struct sluice_pair *pair = bpf_map_lookup_elem(&pairs, &cookie);
	int paired = pair && find_slot(pair, &slot);
	enum direct direct = DIRECT_NEVER;
	if (paired)
		direct = send_direct(msg, me, leg, pair->peer_app_cookie, &slot, set, &why);
	if (direct == DIRECT_SENT)
		return count(SLUICE_COUNT_VERDICT_DIRECT, SK_PASS);
	if (direct == DIRECT_NEVER && send_to_leg(msg, me, leg, set, &why)) {
		if (paired && slot.stats)
			slot.stats->leg_redirect_bytes += size;
		return count(SLUICE_COUNT_VERDICT_TO_LEG, SK_PASS);
	}
	if (paired && slot.stats)
		slot.stats->leg_tcp_bytes += size;
	return by_tcp(why);
}

static __always_inline int leg_sends(struct sk_msg_md *msg, struct sluice_sock *me,
				     const struct sluice_settings *set)
{
	__u64 queued = 0, cookie = me->peer_cookie;
	__u32 why = 0;
	struct sluice_sock *app = find_live(cookie);
	if (!app)
		return by_tcp(SLUICE_COUNT_VERDICT_PASS);
	if (!app_takes_part(app, cookie, 0))
		return by_tcp(SLUICE_COUNT_VERDICT_BLOCKING);
	if (!(flags_of(me) & SLUICE_SOCK_TO_PEER))
		return by_tcp(SLUICE_COUNT_VERDICT_PASS);
	if (!receives(app))
		return by_tcp(SLUICE_COUNT_VERDICT_NOTHING_READ);
	if (!all_read(me, app))
		return by_tcp(SLUICE_COUNT_VERDICT_ORDER);
	if (!has_room(app, &queued, msg->size, set->pair_limit_bytes, set->node_limit_bytes, &why))
		return by_tcp(why);
	if (!redirect(msg, app, cookie))
		return by_tcp(SLUICE_COUNT_VERDICT_TARGET_GONE);
	return count(SLUICE_COUNT_VERDICT_TO_APP, SK_PASS);
}

SEC("sk_msg")
int verdict(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	if (!sk)
		return by_tcp(SLUICE_COUNT_VERDICT_PASS);
	struct sock_state *state = bpf_sk_storage_get(&sock_states, sk, 0, 0);
	struct sluice_settings *set = get_settings();
	if (!state || !set)
		return by_tcp(SLUICE_COUNT_VERDICT_PASS);
	__u64 cookie = state->cookie;
	struct sluice_sock *me = find_sock(cookie);
	if (!me)
		return by_tcp(SLUICE_COUNT_VERDICT_PASS);
	if (flags_of(me) & SLUICE_SOCK_APP)
		return app_sends(msg, me, cookie, set);
	return leg_sends(msg, me, set);
}

/* What is attached to the map, and copied into each socket on entry, for as long as it lives. A
 * newer version replaces verdicts[0], and so reaches sockets that are already in. */
SEC("sk_msg")
int verdict_entry(struct sk_msg_md *msg)
{
	bpf_tail_call(msg, &verdicts, 0);
	return count(SLUICE_COUNT_VERDICT_MISSING, SK_PASS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
