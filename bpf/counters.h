/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The names of what happens, part of abi.h. */
#ifndef SLUICE_COUNTERS_H
#define SLUICE_COUNTERS_H

/* What happened, one number each, counted per CPU in `counters`. Every return of every program
 * counts one. New ones go to the end: the map is reused by newer versions of the same layout, and
 * has room for them. */
#define SLUICE_COUNTER_CAPACITY 256
#define SLUICE_COUNTERS(X)                                                               \
	X(CONNECT_REDIRECTED)		/* rewritten towards the proxy */                \
	X(CONNECT_NOT_TCP)		/* UDP, SCTP: untouched */                       \
	X(CONNECT_NOT_ENROLLED)		/* known pod, not in the mesh */                 \
	X(CONNECT_UNCLASSIFIED)		/* netns not known yet: let through */           \
	X(CONNECT_UNCLASSIFIED_REFUSED) /* EPERM until the agent knows the netns */      \
	X(CONNECT_PROXY_OWN)		/* the proxy's own socket */                     \
	X(CONNECT_LOOPBACK)		/* 127.0.0.0/8, ::1 */                           \
	X(CONNECT_NO_FAMILY)		/* the pod has no address of this family */      \
	X(CONNECT_NOT_ROUTABLE)		/* multicast, unspecified, IPv6 link-local */    \
	X(CONNECT_PROXY_DEAD_DIRECT)	/* no beat, fail open */                         \
	X(CONNECT_PROXY_DEAD_REFUSED)	/* no beat, fail closed: ECONNREFUSED */         \
	X(CONNECT_NO_LISTENER_DIRECT)                                                    \
	X(CONNECT_NO_LISTENER_REFUSED)                                                   \
	X(CONNECT_STORAGE_FULL_DIRECT) /* socket storage could not be had */             \
	X(CONNECT_STORAGE_FULL_REFUSED)                                                  \
	X(CONNECT_BOUND_DEVICE_DIRECT) /* SO_BINDTODEVICE could not be lifted */         \
	X(CONNECT_BOUND_DEVICE_REFUSED)                                                  \
	X(CONNECT_INACTIVE) /* another layout intercepts */                              \
	X(ORIGIN_PUBLISHED)                                                              \
	X(ORIGIN_MAP_FULL) /* the connection is reset by sk_lookup */                    \
	X(ORIGIN_REMOVED)                                                                \
	X(BYPASS_PUBLISHED)                                                              \
	X(BYPASS_MAP_FULL)   /* the leg is reset by sk_lookup */                         \
	X(BYPASS_TAKEN)	     /* the app's socket learnt its true client */               \
	X(BYPASS_REMOVED)    /* the leg closed before the target took it */              \
	X(LEG_PLAIN)	     /* a leg to another node, no bypass asked for */            \
	X(PROBE_PUBLISHED)   /* the kubelet's, to an enrolled pod */                     \
	X(PROBE_NOT_POD)     /* the kubelet's, to something else */                      \
	X(PEERNAME_ORIGIN)   /* told the app what it asked for */                        \
	X(PEERNAME_CLIENT)   /* told the app its true client */                          \
	X(PEERNAME_BY_TUPLE) /* storage invisible (MPTCP): found by tuple */             \
	X(PEERNAME_UNTOUCHED)                                                            \
	X(LOOKUP_OUTBOUND) /* SYN steered to the outbound listener */                    \
	X(LOOKUP_INBOUND)                                                                \
	X(LOOKUP_BYPASS)                                                                 \
	X(LOOKUP_NOT_TCP)                                                                \
	X(LOOKUP_NOT_POD)	      /* not an address of an enrolled pod */            \
	X(LOOKUP_PROBE)		      /* the kubelet's */                                \
	X(LOOKUP_UNPUBLISHED_DROPPED) /* to itself, without a published tuple: reset */  \
	X(LOOKUP_UNPUBLISHED_PASSED)  /* the same, while an older layout may know it */  \
	X(LOOKUP_PROXY_DEAD_DIRECT)                                                      \
	X(LOOKUP_PROXY_DEAD_DROPPED)                                                     \
	X(LOOKUP_NO_LISTENER_DIRECT)                                                     \
	X(LOOKUP_NO_LISTENER_DROPPED)                                                    \
	X(LOOKUP_ASSIGN_FAILED) /* dropped: the listener was destroyed, or is another's */ \
	X(LOOKUP_INACTIVE)	/* another layout intercepts */                          \
	X(HASH_ENTERED)                                                                  \
	X(HASH_SKIPPED_OFF)	 /* acceleration off for this pod or kernel */           \
	X(HASH_SKIPPED_BLOCKING) /* its file, or its listener's, is blocking */          \
	X(HASH_SKIPPED_PEER)	 /* the other end of the connection is not in */         \
	X(HASH_SKIPPED_ZEROCOPY) /* SO_ZEROCOPY: its completions would never come */     \
	X(HASH_SKIPPED_SPLICE)	 /* its cgroup is known to use splice(2) */              \
	X(HASH_REFUSED)		 /* MPTCP subflow, or the map is full */                 \
	X(HASH_LEFT_BLOCKING)                                                            \
	X(HASH_LEFT_PEER) /* the leg leaves with its app */                              \
	X(SOCK_INFO_FULL)                                                                \
	X(SOCK_LOST_STORAGE) /* socket storage could not be had at ESTABLISHED */        \
	X(SOCK_CLOSED)                                                                   \
	X(SOCKOPS_UNTOUCHED) /* a callback of a socket that is not in the mesh */        \
	X(LISTENER_SEEN)                                                                 \
	X(FILE_NONBLOCKING) /* an accepted socket's file, as wanted */                   \
	X(FILE_NOT_YET)	    /* accepted by the kernel, not by the app */                 \
	X(VERDICT_PASS)	    /* by TCP */                                                 \
	X(VERDICT_TO_LEG)                                                                \
	X(VERDICT_TO_APP)                                                                \
	X(VERDICT_DIRECT)                                                                \
	X(VERDICT_ORDER) /* TCP bytes unread at the target: by TCP */                    \
	X(VERDICT_OVER_LIMIT)                                                            \
	X(VERDICT_OVER_NODE_LIMIT)                                                       \
	X(VERDICT_BLOCKING) /* the app's file became blocking: by TCP */                 \
	X(VERDICT_TARGET_GONE)                                                           \
	X(VERDICT_MISSING)	    /* no program in verdicts[0]: by TCP */              \
	X(SOCKOPT_ULP_REFUSED)	    /* ENOENT, as where the kernel has no such module */ \
	X(SOCKOPT_ZEROCOPY_REFUSED) /* ENOPROTOOPT, as on a kernel without it */         \
	X(SOCKOPT_UNTOUCHED)                                                             \
	X(TRACE_UNTOUCHED)                                                               \
	X(EVENT_SENT)                                                                    \
	X(EVENT_LOST) /* ring buffer full */                                             \
	X(SPLICE_USER)                                                                   \
	X(TURNED_BLOCKING)                                                               \
	X(QUERY_FOUND)                                                                   \
	X(QUERY_MISSING)                                                                 \
	X(USAGE_REFRESHED)                                                               \
	X(ADDRESS_FORGOTTEN)                                                             \
	X(ENTRIES_COUNTED)                                                               \
	X(FILE_TURNED_BLOCKING)	 /* after it took part */                                \
	X(VERDICT_MEMORY)	 /* TCP's memory is short: by TCP */                     \
	X(HASH_SKIPPED_MEMORY)	 /* TCP's memory is short, or its cgroup's limited */    \
	X(HASH_LEFT_MEMORY)	 /* its cgroup's memory for TCP is limited */            \
	X(VERDICT_NOTHING_READ)	 /* its app has to read first, by recv(2): by TCP */     \
	X(VERDICT_PROXY_AWAITED) /* some microseconds, for the direct way */

enum sluice_counter {
#define SLUICE_X(name) SLUICE_COUNT_##name,
	SLUICE_COUNTERS(SLUICE_X)
#undef SLUICE_X
		SLUICE_COUNTER_COUNT,
};

#endif
