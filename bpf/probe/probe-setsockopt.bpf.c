/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Can a socket option be refused with an errno of our choice, and others be left alone? */
#include "probe.h"

#define SOL_TCP 6
#define TCP_ULP 31
#define EREMOTEIO 121 /* no kernel gives this for TCP_ULP: who sees it has seen this program */

SEC("cgroup/setsockopt")
int probe_setsockopt(struct bpf_sockopt *ctx)
{
	if (ctx->level != SOL_TCP || ctx->optname != TCP_ULP) {
		ctx->optlen = 0; /* leave the value as user space gave it */
		return 1;
	}
	probe_note(PROBE_SETSOCKOPT, 0);
	bpf_set_retval(-EREMOTEIO);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
