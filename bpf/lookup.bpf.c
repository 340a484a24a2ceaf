// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* sk_lookup, one link per enrolled pod netns: which listener takes this SYN? A published flow goes
 * to the proxy's outbound listener; what an authorised leg or the kubelet announced goes to the
 * app; everything else to the pod's address goes to the proxy's inbound listener. Nothing is
 * translated: accept() gives the client's address and getsockname() the destination as sent. */
#include "pod.h"

#define IPPROTO_TCP 6

#define ASM_TEXT_OF(value) #value
#define ASM_TEXT(value) ASM_TEXT_OF(value)

/* Root in a pod may give itself another pod's address, and its SYNs would be handed to that pod's
 * listener, past every NetworkPolicy: a listener of another netns can be assigned. */
static __always_inline __u64 own_netns(void)
{
	__u64 cookie;
	asm volatile("%0 = " ASM_TEXT(SLUICE_OWN_NETNS) " ll" : "=r"(cookie));
	return cookie;
}

static __always_inline void read_flow(const struct bpf_sk_lookup *ctx, struct sluice_flow *flow)
{
	if (ctx->family == AF_INET) {
		flow->local = addr_from_v4(ctx->local_ip4);
		flow->remote = addr_from_v4(ctx->remote_ip4);
	} else {
		for (int i = 0; i < 4; i++) {
			flow->local.word[i] = ctx->local_ip6[i];
			flow->remote.word[i] = ctx->remote_ip6[i];
		}
	}
	flow->local_port = ctx->local_port;
	flow->remote_port = bpf_ntohs(ctx->remote_port);
}

static __always_inline int steer(struct bpf_sk_lookup *ctx, const struct sluice_addr *addr,
				 __u32 direction, __u32 done, int missing_verdict)
{
	struct sluice_listener_key key = { .addr = *addr, .direction = direction };
	struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &key);
	if (!listener)
		return count(missing_verdict == SK_PASS ? SLUICE_COUNT_LOOKUP_NO_LISTENER_DIRECT
							: SLUICE_COUNT_LOOKUP_NO_LISTENER_DROPPED,
			     missing_verdict);
	/* Destroyed by root in the pod (SOCK_DESTROY), it would swallow the SYN. */
	long error = listener->state == BPF_TCP_LISTEN ? bpf_sk_assign(ctx, listener, 0) : -1;
	bpf_sk_release(listener);
	if (error)
		return count(SLUICE_COUNT_LOOKUP_ASSIGN_FAILED, SK_DROP);
	return count(done, SK_PASS);
}

/* From itself, unpublished: a leg whose bypass could not be published would otherwise come back to
 * the proxy that made it, without end. An app of the pod never gets here, its connects are
 * published; only while the pod is being enrolled, connects are not intercepted yet. */
static __always_inline int from_itself(const struct sluice_flow *flow, const struct sluice_pod *pod)
{
	if (!addr_equal(&flow->remote, &flow->local) && !addr_is_loopback(&flow->remote))
		return 0;
	__u64 netns = pod->netns_cookie;
	struct sluice_pod *connects = bpf_map_lookup_elem(&pods_by_netns, &netns);
	return connects && connects->flags & SLUICE_POD_ENROLLED;
}

SEC("sk_lookup")
int lookup(struct bpf_sk_lookup *ctx)
{
	struct sluice_flow flow = {};
	if (ctx->protocol != IPPROTO_TCP)
		return count(SLUICE_COUNT_LOOKUP_NOT_TCP, SK_PASS);
	read_flow(ctx, &flow);
	/* Whatever else holds now, this one was rewritten and can go nowhere else. */
	struct sluice_origin *origin = bpf_map_lookup_elem(&origins, &flow);
	if (origin && origin->netns_cookie == own_netns())
		return steer(ctx, &flow.local, SLUICE_OUTBOUND, SLUICE_COUNT_LOOKUP_OUTBOUND,
			     SK_DROP);
	struct sluice_pod *pod = bpf_map_lookup_elem(&pods_by_addr, &flow.local);
	if (!pod || !(pod->flags & SLUICE_POD_ENROLLED) || pod->netns_cookie != own_netns())
		return count(SLUICE_COUNT_LOOKUP_NOT_POD, SK_PASS);
	struct sluice_bypass *bypass = bpf_map_lookup_elem(&bypasses, &flow);
	if (bypass)
		return count(bypass->flags & SLUICE_BYPASS_PROBE ? SLUICE_COUNT_LOOKUP_PROBE
								 : SLUICE_COUNT_LOOKUP_BYPASS,
			     SK_PASS);
	struct sluice_settings *set = get_settings();
	if (!set || !layout_active())
		return count(SLUICE_COUNT_LOOKUP_INACTIVE, SK_PASS);
	int closed = pod->flags & SLUICE_POD_FAIL_CLOSED;
	if (!proxy_alive(set))
		return closed ? count(SLUICE_COUNT_LOOKUP_PROXY_DEAD_DROPPED, SK_DROP)
			      : count(SLUICE_COUNT_LOOKUP_PROXY_DEAD_DIRECT, SK_PASS);
	if (from_itself(&flow, pod))
		return set->older_layout ? count(SLUICE_COUNT_LOOKUP_UNPUBLISHED_PASSED, SK_PASS)
					 : count(SLUICE_COUNT_LOOKUP_UNPUBLISHED_DROPPED, SK_DROP);
	return steer(ctx, &flow.local, SLUICE_INBOUND, SLUICE_COUNT_LOOKUP_INBOUND,
		     closed ? SK_DROP : SK_PASS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
