// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup/connect4 and connect6: the connect(2) of an enrolled pod's TCP socket is turned towards
 * the proxy's listener in the pod's own netns. Where it wanted to go is kept in the socket's
 * storage; sockops publishes it. The new destination is the pod's own address, so that the app's
 * getsockname() stays the truth, and a port out of SLUICE_SPREAD_*, so that one pod is not bound to
 * the 28,000 source ports of one destination. */
#include "pod.h"

#define ALLOW 1
#define REFUSE 0 /* EPERM, if no other errno was set */

#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262
#define SOL_SOCKET 1
#define SO_BINDTODEVICE 25
#define ECONNREFUSED 111
#define LOOPBACK_IFINDEX 1

/* A socket whose connect is not intercepted must not go on telling what an earlier connect asked
 * for. */
static __always_inline int pass(struct bpf_sock_addr *ctx, __u32 why)
{
	struct bpf_sock *sk = ctx->sk;
	if (sk)
		bpf_sk_storage_delete(&sock_states, sk);
	return count(why, ALLOW);
}

/* The namespace's choice for when interception cannot be had. */
static __always_inline int unavailable(struct bpf_sock_addr *ctx, const struct sluice_pod *pod,
				       __u32 direct, __u32 refused)
{
	if (!(pod->flags & SLUICE_POD_FAIL_CLOSED))
		return pass(ctx, direct);
	pass(ctx, refused);
	bpf_set_retval(
		-ECONNREFUSED); /* what apps retry; EPERM would look like a broken configuration */
	return REFUSE;
}

static __always_inline void report(struct bpf_sock_addr *ctx, __u32 kind, __u64 netns,
				   const struct sluice_addr *to, const struct sluice_pod *pod)
{
	struct sluice_event event = {
		.at_ns = bpf_ktime_get_ns(),
		.socket_cookie = bpf_get_socket_cookie(ctx),
		.netns_cookie = netns,
		.cgroup_id = bpf_get_current_cgroup_id(),
		.kind = kind,
		.pid = bpf_get_current_pid_tgid() >> 32,
		.addr = *to,
		.port = bpf_ntohs(ctx->user_port),
		.pod_id = pod ? pod->pod_id : 0,
	};
	send_event(&event);
}

static __always_inline int unclassified(struct bpf_sock_addr *ctx, __u64 netns,
					const struct sluice_addr *to,
					const struct sluice_settings *set)
{
	report(ctx, SLUICE_EVENT_UNCLASSIFIED, netns, to, 0);
	if (set->unclassified != SLUICE_UNCLASSIFIED_REFUSE)
		return pass(ctx, SLUICE_COUNT_CONNECT_UNCLASSIFIED);
	pass(ctx, SLUICE_COUNT_CONNECT_UNCLASSIFIED_REFUSED);
	return REFUSE;
}

static __always_inline int is_proxy(void)
{
	__u64 cgroup = bpf_get_current_cgroup_id();
	return bpf_map_lookup_elem(&proxy_cgroups, &cgroup) != 0;
}

static __always_inline int has_outbound_listener(const struct sluice_addr *own)
{
	struct sluice_listener_key key = { .addr = *own, .direction = SLUICE_OUTBOUND };
	struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &key);
	if (!listener)
		return 0;
	bpf_sk_release(listener);
	return 1;
}

/* Packets to the pod's own address arrive on lo: a socket bound to eth0 would never see the
 * SYN-ACK. */
static __always_inline int lift_device_binding(struct bpf_sock_addr *ctx)
{
	__u32 bound = ctx->sk->bound_dev_if;
	char none[16] = {};
	if (!bound || bound == LOOPBACK_IFINDEX)
		return 1;
	return bpf_setsockopt(ctx, SOL_SOCKET, SO_BINDTODEVICE, none, sizeof(none)) == 0;
}

static __always_inline int remember(struct bpf_sock_addr *ctx, __u64 netns,
				    const struct sluice_settings *set, const struct sluice_pod *pod,
				    const struct sluice_addr *to)
{
	struct sock_state state = {
		.cookie = bpf_get_socket_cookie(ctx),
		.netns_cookie = netns,
		.kind = KIND_CLIENT,
		.peer = *to,
		.peer_port = bpf_ntohs(ctx->user_port),
		.pod_flags = served_flags(set, pod->flags),
		.pod_id = pod->pod_id,
	};
	struct bpf_sock *sk = ctx->sk;
	if (!sk)
		return 0;
	struct sock_state *kept =
		bpf_sk_storage_get(&sock_states, sk, &state, BPF_SK_STORAGE_GET_F_CREATE);
	if (!kept)
		return 0;
	*kept = state; /* the socket may have been connected before */
	return 1;
}

/* A socket whose source port equals its destination port, on its own address, would connect to
 * itself. */
static __always_inline __u16 spread_port(struct bpf_sock_addr *ctx)
{
	__u32 bound_port = ctx->sk->src_port;
	__u32 offset = bpf_get_prandom_u32() % SLUICE_SPREAD_COUNT;
	if (SLUICE_SPREAD_FIRST + offset == bound_port)
		offset = (offset + 1) % SLUICE_SPREAD_COUNT;
	return bpf_htons(SLUICE_SPREAD_FIRST + offset);
}

/* Sets *own and returns ALLOW with *redirect = 1 when the caller shall rewrite the destination. */
static __always_inline int decide(struct bpf_sock_addr *ctx, const struct sluice_addr *to,
				  struct sluice_addr *own, int *redirect)
{
	if (ctx->type != SOCK_STREAM ||
	    (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_MPTCP))
		return count(SLUICE_COUNT_CONNECT_NOT_TCP, ALLOW);
	if (addr_is_loopback(to))
		return pass(ctx, SLUICE_COUNT_CONNECT_LOOPBACK);
	if (addr_is_unroutable(to))
		return pass(ctx, SLUICE_COUNT_CONNECT_NOT_ROUTABLE);
	struct sluice_settings *set = get_settings();
	if (!set || !layout_active())
		return pass(ctx, SLUICE_COUNT_CONNECT_INACTIVE);
	if (is_proxy())
		return pass(ctx, SLUICE_COUNT_CONNECT_PROXY_OWN);
	__u64 netns = bpf_get_netns_cookie(ctx);
	struct sluice_pod *pod = bpf_map_lookup_elem(&pods_by_netns, &netns);
	if (!pod)
		return unclassified(ctx, netns, to, set);
	if (!(pod->flags & SLUICE_POD_ENROLLED))
		return pass(ctx, SLUICE_COUNT_CONNECT_NOT_ENROLLED);
	*own = *pod_addr(pod, addr_is_v4(to));
	if (addr_is_zero(own))
		return pass(ctx, SLUICE_COUNT_CONNECT_NO_FAMILY);
	if (!proxy_alive(set))
		return unavailable(ctx, pod, SLUICE_COUNT_CONNECT_PROXY_DEAD_DIRECT,
				   SLUICE_COUNT_CONNECT_PROXY_DEAD_REFUSED);
	if (!has_outbound_listener(own))
		return unavailable(ctx, pod, SLUICE_COUNT_CONNECT_NO_LISTENER_DIRECT,
				   SLUICE_COUNT_CONNECT_NO_LISTENER_REFUSED);
	if (!lift_device_binding(ctx))
		return unavailable(ctx, pod, SLUICE_COUNT_CONNECT_BOUND_DEVICE_DIRECT,
				   SLUICE_COUNT_CONNECT_BOUND_DEVICE_REFUSED);
	if (!remember(ctx, netns, set, pod, to))
		return unavailable(ctx, pod, SLUICE_COUNT_CONNECT_STORAGE_FULL_DIRECT,
				   SLUICE_COUNT_CONNECT_STORAGE_FULL_REFUSED);
	if (set->access_events)
		report(ctx, SLUICE_EVENT_CONNECT, netns, to, pod);
	*redirect = 1;
	return count(SLUICE_COUNT_CONNECT_REDIRECTED, ALLOW);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct sluice_addr to = addr_from_v4(ctx->user_ip4), own = {};
	int redirect = 0;
	int verdict = decide(ctx, &to, &own, &redirect);
	if (redirect) {
		ctx->user_ip4 = own.word[3];
		ctx->user_port = spread_port(ctx);
	}
	return verdict;
}

/* Also runs for IPv6 sockets that connect to ::ffff:a.b.c.d, which are IPv4 connections. */
SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	struct sluice_addr to = { .word = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
					    ctx->user_ip6[3] } };
	struct sluice_addr own = {};
	int redirect = 0;
	int verdict = decide(ctx, &to, &own, &redirect);
	if (redirect) {
		ctx->user_ip6[0] = own.word[0];
		ctx->user_ip6[1] = own.word[1];
		ctx->user_ip6[2] = own.word[2];
		ctx->user_ip6[3] = own.word[3];
		ctx->user_port = spread_port(ctx);
	}
	return verdict;
}

char _license[] SEC("license") = "Dual BSD/GPL";
