/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What sockops and the verdict program both do to an entry of sock_info. Flags change on several
 * CPUs at once, so each change is one atomic operation. */
#ifndef SLUICE_SOCK_H
#define SLUICE_SOCK_H

#include "count.h"
#include "kernel.h"

static __always_inline void set_flags(struct sluice_sock *info, __u32 flags)
{
	__sync_fetch_and_or(&info->flags, flags);
}

static __always_inline void clear_flags(struct sluice_sock *info, __u32 flags)
{
	__sync_fetch_and_and(&info->flags, ~flags);
}

static __always_inline __u32 flags_of(const struct sluice_sock *info)
{
	return *(volatile __u32 *)&info->flags;
}

static __always_inline struct sluice_sock *find_sock(__u64 cookie)
{
	return bpf_map_lookup_elem(&sock_info, &cookie);
}

/* An accepted socket's file is as it should be: from here on it takes part, and in mode full so
 * does the leg that speaks to it. */
static __always_inline void file_is_nonblocking(struct sluice_sock *app)
{
	set_flags(app, SLUICE_SOCK_TO_PEER);
	clear_flags(app, SLUICE_SOCK_CHECK_FILE);
	count(SLUICE_COUNT_FILE_NONBLOCKING, 0);
	if (!(flags_of(app) & SLUICE_SOCK_PAIRABLE))
		return;
	struct sluice_sock *leg = find_sock(app->peer_cookie);
	if (leg)
		set_flags(leg, SLUICE_SOCK_TO_PEER);
}

/* The node's sum always equals the sum of the entries' parts, whoever comes first. */
static __always_inline void account_queue(struct sluice_sock *info, __u64 queued)
{
	__u32 zero = 0;
	struct sluice_usage *usage = bpf_map_lookup_elem(&node_usage, &zero);
	__u64 before = __sync_lock_test_and_set(&info->queued_bytes, queued);
	if (usage && before != queued)
		__sync_fetch_and_add(&usage->queued_bytes, queued - before);
}

#endif
