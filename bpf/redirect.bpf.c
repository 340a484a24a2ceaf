// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* sk_msg: moves what a socket sends into the socket under key 0, whatever that is. Not part of the
 * mesh: a start puts it into verdicts[0] of a sockhash of its own and asks whether this kernel
 * charges redirected bytes to who receives them. */
#include "count.h"

SEC("sk_msg")
int redirect_to_zero(struct sk_msg_md *msg)
{
	__u64 key = 0;

	if (bpf_msg_redirect_hash(msg, &sockets, &key, BPF_F_INGRESS) != SK_PASS)
		return count(SLUICE_COUNT_VERDICT_TARGET_GONE, SK_PASS);
	return count(SLUICE_COUNT_VERDICT_TO_APP, SK_PASS);
}

char _license[] SEC("license") = "Dual BSD/GPL";
