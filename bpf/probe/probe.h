/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What preflight's probe programs share with src/nodeproxy/preflight/probe-maps.ts. One object a
 * hook, so that a kernel that rejects one of them still answers for the others. They run in a
 * scratch cgroup and a scratch network namespace only. */
#ifndef SLUICE_PROBE_H
#define SLUICE_PROBE_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* One slot for each thing that a probe waits to see. */
enum probe_slot {
	PROBE_CONNECT4,
	PROBE_CONNECT6,
	PROBE_GETPEERNAME4,
	PROBE_GETPEERNAME6,
	PROBE_SETSOCKOPT,
	PROBE_SOCKOPS_CONNECT,
	PROBE_SOCKOPS_ACTIVE,
	PROBE_SOCKOPS_PASSIVE,
	PROBE_SOCKHASH,         /* insertions; netns_cookie holds the last error */
	PROBE_SK_LOOKUP,        /* SYNs steered to the listener */
	PROBE_SK_LOOKUP_EARLY,  /* SYNs that came before sockops had published them */
	PROBE_SK_MSG,
	PROBE_SPLICE,
	PROBE_FCNTL,
	PROBE_IOCTL,
	PROBE_SLOTS,
};

struct probe_seen {
	__u64 hits;
	__u64 netns_cookie;
};

/* Written by preflight before anything is attached. */
struct probe_config {
	__u64 cgroup_id;     /* tracepoints see the whole machine: count this one's calls */
	__u32 target[4];     /* network order, IPv4 in the last word */
	__u32 service_port;  /* connects to this port are rewritten, as are answers of getpeername */
	__u32 target_port;
};

/* A TCP socket of the scratch namespace. Its two ports name it there. */
struct probe_key {
	__u32 local_port;
	__u32 remote_port;
};

/* Context of the program that preflight runs to ask for a receive queue. */
struct probe_query {
	struct probe_key key;
	__u32 found;
	__u32 queued_bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROBE_SLOTS);
	__type(key, __u32);
	__type(value, struct probe_seen);
} probe_seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct probe_config);
} probe_config SEC(".maps");

static __always_inline void probe_note(__u32 slot, __u64 netns_cookie)
{
	struct probe_seen *seen = bpf_map_lookup_elem(&probe_seen, &slot);

	if (!seen)
		return;
	__sync_fetch_and_add(&seen->hits, 1);
	seen->netns_cookie = netns_cookie;
}

static __always_inline const struct probe_config *probe_configuration(void)
{
	__u32 only = 0;

	return bpf_map_lookup_elem(&probe_config, &only);
}

#endif
