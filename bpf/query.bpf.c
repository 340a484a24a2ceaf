// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* SEC("syscall"): what user space asks about, or has done to, many entries at once, inside the
 * kernel. */
#include "address.h"
#include "sock.h"

SEC("syscall")
int query_queue(struct sluice_queue_query *query)
{
	__u64 cookie = query->cookie;
	struct sluice_sock *info = find_sock(cookie);
	query->found = 0;
	if (!info || !sock_is(info->tcp_sock, cookie))
		return count(SLUICE_COUNT_QUERY_MISSING, 0);
	struct sock *sk = (void *)info->tcp_sock;
	query->queued_bytes = sock_queued_bytes(info->tcp_sock);
	query->receive_buffer_bytes = BPF_CORE_READ(sk, sk_rcvbuf);
	query->found = 1;
	account_queue(info, query->queued_bytes);
	return count(SLUICE_COUNT_QUERY_FOUND, 0);
}

static long add_queue(void *map, __u64 *cookie, struct sluice_sock *info, struct sluice_usage *sum)
{
	if (!sock_is(info->tcp_sock, *cookie))
		return 0;
	info->queued_bytes = sock_queued_bytes(info->tcp_sock);
	sum->queued_bytes += info->queued_bytes;
	sum->sockets++;
	return 0;
}

/* Senders account for the queues they fill; that a reader has emptied one is only seen when
 * somebody looks. */
SEC("syscall")
int refresh_usage(struct sluice_usage *out)
{
	__u32 zero = 0;
	struct sluice_usage sum = {};
	bpf_for_each_map_elem(&sock_info, add_queue, &sum, 0);
	struct sluice_usage *usage = bpf_map_lookup_elem(&node_usage, &zero);
	if (usage)
		*usage = sum;
	*out = sum;
	return count(SLUICE_COUNT_USAGE_REFRESHED, 0);
}

static long forget_origin(void *map, struct sluice_flow *flow, struct sluice_origin *origin,
			  struct sluice_forget *what)
{
	int gone = what->forget_netns_cookie && origin->netns_cookie == what->forget_netns_cookie;
	int old = addr_equal(&flow->local, &what->addr) &&
		  origin->netns_cookie != what->keep_netns_cookie;
	struct sluice_flow key = *flow;
	if ((gone || old) && !bpf_map_delete_elem(&origins, &key))
		what->removed_origins++;
	return 0;
}

static long forget_bypass(void *map, struct sluice_flow *flow, struct sluice_bypass *bypass,
			  struct sluice_forget *what)
{
	struct sluice_flow key = *flow;
	if (addr_equal(&flow->local, &what->addr) && !bpf_map_delete_elem(&bypasses, &key))
		what->removed_bypasses++;
	return 0;
}

static long forget_sock(void *map, __u64 *cookie, struct sluice_sock *info,
			struct sluice_forget *what)
{
	__u64 key = *cookie;
	if (info->netns_cookie != what->forget_netns_cookie)
		return 0;
	bpf_map_delete_elem(&pairs, &key);
	if (!bpf_map_delete_elem(&sock_info, &key))
		what->removed_socks++;
	return 0;
}

SEC("syscall")
int forget_address(struct sluice_forget *request)
{
	struct sluice_forget what = *request;
	bpf_for_each_map_elem(&origins, forget_origin, &what, 0);
	if (!addr_is_zero(&what.addr))
		bpf_for_each_map_elem(&bypasses, forget_bypass, &what, 0);
	if (what.forget_netns_cookie) {
		bpf_for_each_map_elem(&sock_info, forget_sock, &what, 0);
		if (!bpf_map_delete_elem(&pod_habits, &what.forget_netns_cookie))
			what.removed_habits = 1;
	}
	*request = what;
	return count(SLUICE_COUNT_ADDRESS_FORGOTTEN, 0);
}

static long step(void *map, const void *key, void *value, void *context)
{
	return 0;
}

SEC("syscall")
int count_entries(struct sluice_fill *fill)
{
	fill->pods = bpf_for_each_map_elem(&pods_by_netns, step, 0, 0);
	fill->origins = bpf_for_each_map_elem(&origins, step, 0, 0);
	fill->bypasses = bpf_for_each_map_elem(&bypasses, step, 0, 0);
	fill->sockets = bpf_for_each_map_elem(&sock_info, step, 0, 0);
	fill->pairs = bpf_for_each_map_elem(&pairs, step, 0, 0);
	fill->pod_habits = bpf_for_each_map_elem(&pod_habits, step, 0, 0);
	return count(SLUICE_COUNT_ENTRIES_COUNTED, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
