/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Can a SYN be given to a listener that is bound elsewhere? Has sockops published it by then? */
#include "probe.h"

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} probe_listener SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} probe_published SEC(".maps");

SEC("sk_lookup")
int probe_sk_lookup(struct bpf_sk_lookup *ctx)
{
	const struct probe_config *config = probe_configuration();
	__u32 only = 0, port = bpf_ntohs((__u16)ctx->remote_port);
	struct bpf_sock *listener;
	long error;

	if (!config || ctx->local_port != config->target_port)
		return SK_PASS;
	if (!bpf_map_lookup_elem(&probe_published, &port))
		probe_note(PROBE_SK_LOOKUP_EARLY, 0);
	listener = bpf_map_lookup_elem(&probe_listener, &only);
	if (!listener)
		return SK_PASS;
	error = bpf_sk_assign(ctx, listener, 0);
	bpf_sk_release(listener);
	if (!error)
		probe_note(PROBE_SK_LOOKUP, 0);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
