/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* All maps of a node. Every object file declares all of them and is loaded with the node's own, so
 * that a name means one map everywhere. README.md says who writes and who reads each. Sizes here
 * are defaults. */
#ifndef SLUICE_MAPS_H
#define SLUICE_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

/* Plain hashes, never LRU: one that forgets an original destination under load breaks a connection
 * in silence; one that is full is counted and refuses. */
#define SLUICE_HASH(name, entries, key_type, value_type) \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_HASH);         \
		__uint(max_entries, entries);            \
		__type(key, key_type);                   \
		__type(value, value_type);               \
	} name SEC(".maps")

#define SLUICE_ARRAY(name, entries, flags, value_type) \
	struct {                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY);      \
		__uint(max_entries, entries);          \
		__uint(map_flags, flags);              \
		__type(key, __u32);                    \
		__type(value, value_type);             \
	} name SEC(".maps")

#define SLUICE_SOCKHASH(name, entries, key_type)     \
	struct {                                     \
		__uint(type, BPF_MAP_TYPE_SOCKHASH); \
		__uint(max_entries, entries);        \
		__type(key, key_type);               \
		__type(value, __u64);                \
	} name SEC(".maps")

#define SLUICE_STORAGE(name, value_type)               \
	struct {                                       \
		__uint(type, BPF_MAP_TYPE_SK_STORAGE); \
		__uint(map_flags, BPF_F_NO_PREALLOC);  \
		__type(key, int);                      \
		__type(value, value_type);             \
	} name SEC(".maps")

/* Who a socket is, for the hooks that are handed the socket itself. */
enum sock_kind {
	KIND_CLIENT = 1,  /* an app's, its connect was intercepted; peer = what it asked for */
	KIND_SERVER = 2,  /* an app's, accepted from a leg of the proxy; peer = the true client */
	KIND_LEG_IN = 3,  /* the proxy's, accepted from an app */
	KIND_LEG_OUT = 4, /* the proxy's, or the kubelet's, on its way to an app */
};

struct sock_state {
	__u64 cookie;
	__u64 netns_cookie;
	struct sluice_flow flow; /* as the accepting side sees it: key in origins or bypasses */
	__u32 kind;
	struct sluice_addr peer;
	__u16 peer_port;
	__u16 pod_flags;
	__u32 pod_id;
	__u32 reserved;
};

/* What was seen of a listening socket's file, copied by the kernel into each socket that it
 * accepts. */
struct listen_state {
	__u32 nonblocking;
};

SLUICE_HASH(pods_by_netns, 1024, __u64, struct sluice_pod);
SLUICE_HASH(pods_by_addr, 2048, struct sluice_addr, struct sluice_pod);
SLUICE_SOCKHASH(listeners, 4096, struct sluice_listener_key);
SLUICE_HASH(origins, 131072, struct sluice_flow, struct sluice_origin);
SLUICE_HASH(bypasses, 16384, struct sluice_flow, struct sluice_bypass);
SLUICE_STORAGE(leg_intents, struct sluice_leg);
SLUICE_STORAGE(sock_states, struct sock_state);
SLUICE_SOCKHASH(sockets, 65536, __u64); /* senders, and targets: sk_msg program attached */
SLUICE_SOCKHASH(legs, 65536, __u64); /* targets only, so that they send as plain TCP sockets do */
SLUICE_HASH(sock_info, 65536, __u64, struct sluice_sock);
SLUICE_HASH(pairs, 32768, __u64, struct sluice_pair);
SLUICE_ARRAY(pair_control, 32768, BPF_F_MMAPABLE, struct sluice_pair_control);
SLUICE_ARRAY(pair_stats, 32768, BPF_F_MMAPABLE, struct sluice_pair_stats);
SLUICE_ARRAY(generations, 1, BPF_F_MMAPABLE, struct sluice_generations);
SLUICE_HASH(generation_claims, SLUICE_GENERATIONS, __u32, struct sluice_claim);
SLUICE_HASH(proxy_cgroups, 16, __u64, __u32);
SLUICE_ARRAY(settings, 1, 0, struct sluice_settings);
SLUICE_ARRAY(active_layout, 1, 0, __u64);
SLUICE_ARRAY(node_usage, 1, 0, struct sluice_usage);
SLUICE_HASH(pod_habits, 1024, __u64, struct sluice_pod_habits);

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct listen_state);
} listen_states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLUICE_COUNTER_CAPACITY);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} verdicts SEC(".maps");

#endif
