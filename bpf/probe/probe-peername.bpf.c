/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Can getpeername(2) be told what the app asked for? */
#include "probe.h"

SEC("cgroup/getpeername4")
int probe_getpeername4(struct bpf_sock_addr *ctx)
{
	const struct probe_config *config = probe_configuration();

	if (!config)
		return 1;
	probe_note(PROBE_GETPEERNAME4, bpf_get_netns_cookie(ctx));
	ctx->user_ip4 = config->target[3];
	ctx->user_port = bpf_htons(config->service_port);
	return 1;
}

SEC("cgroup/getpeername6")
int probe_getpeername6(struct bpf_sock_addr *ctx)
{
	const struct probe_config *config = probe_configuration();

	if (!config)
		return 1;
	probe_note(PROBE_GETPEERNAME6, bpf_get_netns_cookie(ctx));
	ctx->user_ip6[0] = config->target[0];
	ctx->user_ip6[1] = config->target[1];
	ctx->user_ip6[2] = config->target[2];
	ctx->user_ip6[3] = config->target[3];
	ctx->user_port = bpf_htons(config->service_port);
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
