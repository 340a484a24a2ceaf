/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Do bytes move from one socket's send into the other's receive queue without TCP? */
#include "probe.h"

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 64);
	__type(key, struct probe_key);
	__type(value, __u64);
} probe_sockets SEC(".maps");

SEC("sk_msg")
int probe_verdict(struct sk_msg_md *ctx)
{
	struct probe_key peer = {
		.local_port = bpf_ntohl(ctx->remote_port),
		.remote_port = ctx->local_port,
	};

	if (bpf_msg_redirect_hash(ctx, &probe_sockets, &peer, BPF_F_INGRESS) == SK_PASS)
		probe_note(PROBE_SK_MSG, bpf_get_netns_cookie(ctx));
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
