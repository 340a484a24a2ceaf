/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Every struct and number that crosses between the kernel programs, the native addon and
 * TypeScript. The TypeScript side (src/nodeproxy/kernel/abi.ts) is checked against this file's BTF
 * by a test. Addresses: 16 bytes in network order, IPv4 as v4-mapped IPv6 (::ffff:a.b.c.d). Ports:
 * host order. Change a layout -> raise SLUICE_LAYOUT: maps are pinned per layout version. */
#ifndef SLUICE_ABI_H
#define SLUICE_ABI_H

#ifdef __bpf__
#include <linux/types.h>
#define SLUICE_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#else
#include <linux/types.h>
#ifdef __cplusplus
#define SLUICE_ASSERT_SIZE(type, size) static_assert(sizeof(type) == (size), #type)
#else
#define SLUICE_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#endif
#endif

#include "counters.h"

#define SLUICE_LAYOUT 1

/* Stands in the sk_lookup program for the cookie of the netns that it is attached to, which no
 * helper tells it: user space loads a copy for each pod, with the pod's own in its place. */
#define SLUICE_OWN_NETNS 0x736c756963650001

#define SLUICE_GENERATIONS 4 /* proxy generations that may live side by side */

/* Destination ports the connect hook spreads over. Below every sane ip_local_port_range, so that a
 * source port can never equal it: such a socket would connect to itself (RFC 9293, simultaneous
 * open). Where no server of note listens, because what the proxy accepts holds these ports of the
 * pod. So few are enough: each multiplies a pod's 28,000 source ports. */
#define SLUICE_SPREAD_FIRST 265
#define SLUICE_SPREAD_COUNT 124

struct sluice_addr {
	__u32 word[4];
};
SLUICE_ASSERT_SIZE(struct sluice_addr, 16);

/* A TCP connection as its ACCEPTING side sees it. */
struct sluice_flow {
	struct sluice_addr local;
	struct sluice_addr remote;
	__u16 local_port;
	__u16 remote_port;
};
SLUICE_ASSERT_SIZE(struct sluice_flow, 36);

enum sluice_pod_flags {
	SLUICE_POD_ENROLLED = 1,    /* else: known, and not in the mesh */
	SLUICE_POD_FAIL_CLOSED = 2, /* proxy dead: refuse; else let traffic go direct */
	SLUICE_POD_ACCEL_AUTO = 4,  /* redirect app -> proxy, non-blocking sockets only */
	SLUICE_POD_ACCEL_FULL = 8,  /* redirect both ways, pairing allowed */
};

/* pods_by_netns: netns cookie -> pod; pods_by_addr: address -> pod. Written by the agent alone. */
struct sluice_pod {
	__u64 netns_cookie;
	struct sluice_addr ipv4; /* all zero: the pod has none */
	struct sluice_addr ipv6;
	__u32 flags;
	__u32 pod_id; /* the agent's small number for this pod */
};
SLUICE_ASSERT_SIZE(struct sluice_pod, 48);

enum sluice_direction {
	SLUICE_OUTBOUND = 0,
	SLUICE_INBOUND = 1,
};

/* listeners (sockhash): which listener takes the SYNs for this pod address and direction. */
struct sluice_listener_key {
	struct sluice_addr addr;
	__u32 direction;
};
SLUICE_ASSERT_SIZE(struct sluice_listener_key, 20);

/* origins: flow -> where the app wanted to go. Written by sockops at TCP_CONNECT_CB, before the SYN
 * leaves; deleted by sockops when the app's socket closes. */
struct sluice_origin {
	__u64 client_cookie; /* socket cookie of the app's socket */
	__u64 netns_cookie;
	struct sluice_addr addr;
	__u16 port;
	__u16 flags; /* SLUICE_POD_ACCEL_* of the pod at that time, SLUICE_ORIGIN_* */
	__u32 pod_id;
};
SLUICE_ASSERT_SIZE(struct sluice_origin, 40);

/* leg_intents (sk_storage): set by the proxy on its own socket before connect(2). Sockops turns it
 * into a bypass entry at TCP_CONNECT_CB, when the kernel has chosen the source port (so ports are
 * chosen per 4-tuple, as in a plain connect, and not per bind). */
enum sluice_leg_flags {
	SLUICE_LEG_BYPASS = 1, /* authorised: the target's sk_lookup lets it through to the app */
	SLUICE_LEG_ACCEL_AUTO = 4,
	SLUICE_LEG_ACCEL_FULL = 8,
};
struct sluice_leg {
	struct sluice_addr client; /* who the app shall see as its peer */
	__u16 client_port;
	__u16 flags;
	__u32 generation;
};
SLUICE_ASSERT_SIZE(struct sluice_leg, 24);

/* bypasses: flow (as the target sees it) -> let it pass, and who the client really is. Written by
 * sockops for legs of the proxy and for sockets of the kubelet's cgroup; deleted at the target's
 * PASSIVE_ESTABLISHED, or when the leg closes. */
enum sluice_bypass_flags {
	SLUICE_BYPASS_PROBE =
		16, /* the kubelet's own connection: its address is the truth already */
};
struct sluice_bypass {
	__u64 leg_cookie;
	struct sluice_addr client;
	__u16 client_port;
	__u16 flags; /* SLUICE_LEG_*, SLUICE_BYPASS_* */
	__u32 generation;
};
SLUICE_ASSERT_SIZE(struct sluice_bypass, 32);

/* sock_info: socket cookie -> what sk_msg must know of a socket that is in the mesh, app's or
 * proxy's. Written by sockops, deleted by sockops on close. The pointer is only ever read by CO-RE,
 * and what is read is validated by the cookie that the same memory carries. */
enum sluice_sock_flags {
	SLUICE_SOCK_APP = 1,	 /* an app's socket; else a leg of the proxy */
	SLUICE_SOCK_TO_PEER = 2, /* what it sends may be redirected into peer */
	SLUICE_SOCK_IN_HASH = 4,
	SLUICE_SOCK_CHECK_FILE =
		8, /* accepted: nothing is redirected until its file was seen to be O_NONBLOCK */
	SLUICE_SOCK_PAIRABLE =
		16, /* app's, mode full: may send to, and take from, another app's socket */
	SLUICE_SOCK_BLOCKING =
		32, /* was turned blocking: nothing is redirected any more, it leaves the hash */
	SLUICE_SOCK_SPLICES =
		64, /* its reader uses splice(2): nothing is redirected into it any more */
	SLUICE_SOCK_RECEIVE_ONLY =
		128, /* a leg in mode auto: in the sockhash `legs`, which has no verdict program */
	SLUICE_SOCK_RECEIVES =
		256, /* app's: has read bytes that came by TCP, and not by splice(2) */
};
struct sluice_sock {
	__u64 tcp_sock;	   /* kernel address */
	__u64 peer_cookie; /* app socket <-> proxy leg on the same connection; 0 until known */
	__u64 netns_cookie;
	__u64 queued_bytes; /* this socket's part of sluice_usage.queued_bytes */
	__u64 entered_ns;   /* when it entered the sockhash */
	__u32 flags;
	__u32 pod_id;
};
SLUICE_ASSERT_SIZE(struct sluice_sock, 48);

/* pairs: cookie of an app socket -> the app socket at the other end, and the slot of that
 * direction. Written by the proxy once both ends are known; deleted by sockops on close. */
struct sluice_pair {
	__u64 peer_app_cookie;
	__u32 slot;
	__u32 generation;
};
SLUICE_ASSERT_SIZE(struct sluice_pair, 16);

/* One direction of a pair. User space writes pair_control and only reads pair_stats; the verdict
 * program the other way round. Both are memory-mapped arrays; a generation uses its own quarter of
 * the slots. */
struct sluice_pair_control {
	__u64 want; /* 1: send directly as soon as the order of bytes allows */
	__u64 busy; /* SLUICE_BUSY_*; not 0: the proxy may hold bytes of this direction. Set with a
		       full barrier before read(2) */
};
#define SLUICE_BUSY_HOLDING 1 /* until the receiver takes more */
#define SLUICE_BUSY_WORKING 2 /* reads and sends right now: for some microseconds */
#define SLUICE_BUSY_STATE(busy) ((busy) & 0xff)
/* With WORKING: where the proxy was when it began. A sender on that CPU would wait for one that it
 * keeps from running. */
#define SLUICE_BUSY_ON(cpu) (((__u64)(cpu) + 1) << 8)
struct sluice_pair_stats {
	__u64 direct_bytes;
	__u64 leg_redirect_bytes;
	__u64 leg_tcp_bytes;
	__u64 over_limit; /* sends that went by the leg because the receiver's queue was over the
			     limit */
	__u64 receiver_queued_bytes; /* last seen sk_rmem_alloc of the receiving app socket */
	__u64 last_direct_ns;
};
SLUICE_ASSERT_SIZE(struct sluice_pair_control, 16);
SLUICE_ASSERT_SIZE(struct sluice_pair_stats, 48);

/* generations (memory-mapped array of one). A native thread of each proxy generation writes its
 * beat. */
struct sluice_generations {
	__u64 beat_ns[SLUICE_GENERATIONS]; /* CLOCK_MONOTONIC; 0: no such generation */
};
SLUICE_ASSERT_SIZE(struct sluice_generations, 32);

/* generation_claims: generation -> who has it. Created with BPF_NOEXIST, so one of two starters
 * wins. */
struct sluice_claim {
	__u64 claimed_ns; /* CLOCK_MONOTONIC */
	__u64 cgroup_id;
	__u32 pid;
	__u32 reserved;
};
SLUICE_ASSERT_SIZE(struct sluice_claim, 24);

enum sluice_unclassified {
	SLUICE_UNCLASSIFIED_COUNT = 0,
	SLUICE_UNCLASSIFIED_REFUSE = 1,
};

/* settings (array of one). */
struct sluice_settings {
	__u64 beat_max_age_ns;	/* older: the proxy is dead */
	__u64 pair_limit_bytes; /* receive queue of one app socket, redirected bytes included */
	__u64 leg_limit_bytes;	/* receive queue of a proxy leg that still takes redirected bytes */
	__u64 node_limit_bytes; /* receive queues of all sockets that take redirected bytes,
				   together */
	__u32 unclassified;	/* enum sluice_unclassified */
	__u32 acceleration;	/* SLUICE_POD_ACCEL_*: modes that this kernel serves without harm to
				   an app; 0: nothing enters the sockhash */
	__u32 older_layout;	/* 1: an older layout still serves; SYNs that only it knows are not
				   dropped */
	__u32 access_events;	/* 1: also report every intercepted connect on the ring */
};
SLUICE_ASSERT_SIZE(struct sluice_settings, 48);

/* active_layout (array of one __u64): the SLUICE_LAYOUT that intercepts new connections. Shared by
 * all layouts of a node, so that one write moves the node from one to the next; others only serve
 * what they published. */

/* node_usage (array of one). Written by the verdict program, set right by refresh_usage. */
struct sluice_usage {
	__u64 queued_bytes;
	__u64 sockets; /* counted by the last refresh_usage */
};
SLUICE_ASSERT_SIZE(struct sluice_usage, 16);

/* pod_habits: netns cookie -> what was seen of the pod's programs, by which sockets that they have
 * later stay out of the sockhash. Made by the agent with the pod, and gone with it. What there is
 * no place for is said of the whole pod, in `all`. */
#define SLUICE_HABIT_PORTS 32
#define SLUICE_HABIT_CGROUPS 16
enum sluice_accept_mode {
	SLUICE_ACCEPTS_UNKNOWN = 0,
	SLUICE_ACCEPTS_NONBLOCKING = 1,
	SLUICE_ACCEPTS_BLOCKING = 2, /* one was: none enters the sockhash again */
};
enum sluice_habit {
	SLUICE_HABIT_CLIENT_BLOCKS = 1,	   /* turns sockets blocking once they are connected */
	SLUICE_HABIT_SPLICES = 2,	   /* reads by splice(2) */
	SLUICE_HABIT_ACCEPTS_BLOCKING = 4, /* in `all` only */
};
struct sluice_cgroup_habits {
	__u64 cgroup_id; /* 0: free */
	__u32 habits;
	__u32 reserved;
};
SLUICE_ASSERT_SIZE(struct sluice_cgroup_habits, 16);
struct sluice_pod_habits {
	__u32 all;
	__u32 reserved;
	__u32 ports[SLUICE_HABIT_PORTS]; /* port | sluice_accept_mode << 16; 0: free */
	struct sluice_cgroup_habits cgroups[SLUICE_HABIT_CGROUPS];
};
SLUICE_ASSERT_SIZE(struct sluice_pod_habits, 392);

/* SEC("syscall") query_queue: how much does this socket hold unread? */
struct sluice_queue_query {
	__u64 cookie;
	__u64 queued_bytes; /* sk_rmem_alloc */
	__u32 found;
	__u32 receive_buffer_bytes;
};
SLUICE_ASSERT_SIZE(struct sluice_queue_query, 24);

/* SEC("syscall") forget_address: removes what an earlier holder of this address, or of this netns,
 * left. */
struct sluice_forget {
	struct sluice_addr addr;   /* all zero: none */
	__u64 keep_netns_cookie;   /* origins of this netns stay: its own live connections */
	__u64 forget_netns_cookie; /* 0: none; else its sockets and habits go, too */
	__u32 removed_origins;	   /* out */
	__u32 removed_bypasses;
	__u32 removed_socks;
	__u32 removed_habits;
};
SLUICE_ASSERT_SIZE(struct sluice_forget, 48);

/* SEC("syscall") count_entries: how full are the maps that may fill up? */
struct sluice_fill {
	__u32 pods;
	__u32 origins;
	__u32 bypasses;
	__u32 sockets;
	__u32 pairs;
	__u32 pod_habits;
};
SLUICE_ASSERT_SIZE(struct sluice_fill, 24);

/* events (ring buffer) */
enum sluice_event_kind {
	SLUICE_EVENT_TURNED_BLOCKING = 1, /* leave the sockhash */
	SLUICE_EVENT_SPLICE_USER = 2,	  /* splice(2) on a socket that takes redirected bytes */
	SLUICE_EVENT_UNCLASSIFIED = 3,
	SLUICE_EVENT_CONNECT = 4, /* with settings.access_events: an intercepted connect */
};
struct sluice_event {
	__u64 at_ns;
	__u64 socket_cookie;
	__u64 netns_cookie;
	__u64 cgroup_id;
	__u32 kind;
	__u32 pid;
	struct sluice_addr addr; /* CONNECT, UNCLASSIFIED: the destination asked for */
	__u16 port;
	__u16 reserved;
	__u32 pod_id;
};
SLUICE_ASSERT_SIZE(struct sluice_event, 64);

#endif
