// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* cgroup/setsockopt: two options that go wrong, late or in silence, on a socket in the sockhash are
 * refused at once, in the way of a kernel that does not have them, so that apps fall back: TCP_ULP
 * "tls" would be accepted, and then hand over clear text; SO_ZEROCOPY's completions never come. */
#include "count.h"

#define PROCEED 1
#define REFUSE 0

#define SOL_SOCKET 1
#define SO_ZEROCOPY 60
#define SOL_TCP 6
#define TCP_ULP 31
#define ENOENT 2
#define ENOPROTOOPT 92

/* With optlen left as it is, the kernel would go on with its own copy of the value: it costs, and
 * tls_setsockopt warns about its size. Zero says that the caller's own buffer is to be used. */
static __always_inline int proceed(struct bpf_sockopt *ctx)
{
	ctx->optlen = 0;
	return count(SLUICE_COUNT_SOCKOPT_UNTOUCHED, PROCEED);
}

static __always_inline int in_sockhash(struct bpf_sockopt *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	if (!sk)
		return 0;
	struct sock_state *state = bpf_sk_storage_get(&sock_states, sk, 0, 0);
	if (!state)
		return 0;
	__u64 cookie = state->cookie;
	struct sluice_sock *info = bpf_map_lookup_elem(&sock_info, &cookie);
	return info && info->flags & SLUICE_SOCK_IN_HASH;
}

static __always_inline int switches_on(struct bpf_sockopt *ctx)
{
	int *value = ctx->optval;
	if ((void *)(value + 1) > ctx->optval_end)
		return 1;
	return *value != 0;
}

SEC("cgroup/setsockopt")
int setsockopt(struct bpf_sockopt *ctx)
{
	/* Constant errnos: from 7.2 on the verifier wants to see their range. */
	if (ctx->level == SOL_TCP && ctx->optname == TCP_ULP && in_sockhash(ctx)) {
		bpf_set_retval(-ENOENT);
		return count(SLUICE_COUNT_SOCKOPT_ULP_REFUSED, REFUSE);
	}
	if (ctx->level == SOL_SOCKET && ctx->optname == SO_ZEROCOPY && switches_on(ctx) &&
	    in_sockhash(ctx)) {
		bpf_set_retval(-ENOPROTOOPT);
		return count(SLUICE_COUNT_SOCKOPT_ZEROCOPY_REFUSED, REFUSE);
	}
	return proceed(ctx);
}

char _license[] SEC("license") = "Dual BSD/GPL";
