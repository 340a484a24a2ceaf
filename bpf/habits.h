/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What was seen of a pod's programs that acceleration does not suit. Each pod has an entry of its
 * own, of fixed size: however many ports it listens on and cgroups it has, it pushes out nothing
 * that is known of another pod, and what is no longer to be told apart holds for all of its own. */
#ifndef SLUICE_HABITS_H
#define SLUICE_HABITS_H

#include "maps.h"

#define PORT_BITS 16
#define PORT_MASK ((1u << PORT_BITS) - 1)

static __always_inline struct sluice_pod_habits *habits_of(__u64 netns)
{
	return bpf_map_lookup_elem(&pod_habits, &netns);
}

/* By bpf_loop, so that the verifier looks at each step once. */
struct port_search {
	struct sluice_pod_habits *habits;
	__u32 port;
	__u32 mode;
	__u32 done;
};

static __always_inline __u32 *port_at(const struct port_search *search, __u32 round)
{
	return &search->habits->ports[round & (SLUICE_HABIT_PORTS - 1)];
}

static long read_port(__u32 round, struct port_search *search)
{
	__u32 seen = *(volatile __u32 *)port_at(search, round);
	if ((seen & PORT_MASK) == search->port && seen >> PORT_BITS > search->mode)
		search->mode = seen >> PORT_BITS;
	return 0;
}

/* Do sockets that are accepted on this port block? Where nothing can be remembered, they may. */
static __always_inline __u32 accepts(__u64 netns, __u32 port)
{
	struct port_search search = { .habits = habits_of(netns), .port = port };
	if (!search.habits)
		return SLUICE_ACCEPTS_BLOCKING;
	bpf_loop(SLUICE_HABIT_PORTS, read_port, &search, 0);
	if (search.mode == SLUICE_ACCEPTS_UNKNOWN &&
	    search.habits->all & SLUICE_HABIT_ACCEPTS_BLOCKING)
		return SLUICE_ACCEPTS_BLOCKING;
	return search.mode;
}

static long take_port(__u32 round, struct port_search *search)
{
	__u32 *place = port_at(search, round);
	__u32 seen = *(volatile __u32 *)place, wanted = search->port | search->mode << PORT_BITS;
	int replaceable = seen >> PORT_BITS == SLUICE_ACCEPTS_NONBLOCKING &&
			  search->mode == SLUICE_ACCEPTS_BLOCKING;

	if (seen && (seen & PORT_MASK) != search->port && !replaceable)
		return 0;
	if (__sync_val_compare_and_swap(place, seen, wanted) != seen)
		return 0;
	search->done = 1;
	return 1;
}

/* One that blocks decides for all of its port: an app may treat its connections differently. What
 * does not block is only worth a place that is free. */
static __always_inline void learn_accepts(__u64 netns, __u32 port, __u32 mode)
{
	struct port_search search = { .habits = habits_of(netns), .port = port, .mode = mode };
	if (!search.habits || !port || accepts(netns, port) >= mode)
		return;
	bpf_loop(SLUICE_HABIT_PORTS, take_port, &search, 0);
	if (!search.done && mode == SLUICE_ACCEPTS_BLOCKING)
		__sync_fetch_and_or(&search.habits->all, SLUICE_HABIT_ACCEPTS_BLOCKING);
}

static long free_port(__u32 round, struct port_search *search)
{
	__u32 *place = port_at(search, round);
	if ((*(volatile __u32 *)place & PORT_MASK) == search->port)
		*(volatile __u32 *)place = 0;
	return 0;
}

static __always_inline void forget_accepts(__u64 netns, __u32 port)
{
	struct port_search search = { .habits = habits_of(netns), .port = port };
	if (search.habits)
		bpf_loop(SLUICE_HABIT_PORTS, free_port, &search, 0);
}

struct cgroup_search {
	struct sluice_pod_habits *habits;
	__u64 cgroup;
	__u32 habit;
	__u32 done;
};

static __always_inline struct sluice_cgroup_habits *cgroup_at(const struct cgroup_search *search,
							      __u32 round)
{
	return &search->habits->cgroups[round & (SLUICE_HABIT_CGROUPS - 1)];
}

static long read_cgroup(__u32 round, struct cgroup_search *search)
{
	struct sluice_cgroup_habits *one = cgroup_at(search, round);
	if (one->cgroup_id != search->cgroup || !(one->habits & search->habit))
		return 0;
	search->done = 1;
	return 1;
}

static __always_inline int has_habit(__u64 netns, __u64 cgroup, __u32 habit)
{
	struct cgroup_search search = { .habits = habits_of(netns), .cgroup = cgroup,
					.habit = habit };
	if (!search.habits || search.habits->all & habit)
		return 1;
	bpf_loop(SLUICE_HABIT_CGROUPS, read_cgroup, &search, 0);
	return search.done;
}

static long take_cgroup(__u32 round, struct cgroup_search *search)
{
	struct sluice_cgroup_habits *one = cgroup_at(search, round);
	__u64 id = __sync_val_compare_and_swap(&one->cgroup_id, 0, search->cgroup);
	if (id != 0 && id != search->cgroup)
		return 0;
	__sync_fetch_and_or(&one->habits, search->habit);
	search->done = 1;
	return 1;
}

static __always_inline void learn_habit(__u64 netns, __u64 cgroup, __u32 habit)
{
	struct cgroup_search search = { .habits = habits_of(netns), .cgroup = cgroup,
					.habit = habit };
	if (!search.habits)
		return;
	bpf_loop(SLUICE_HABIT_CGROUPS, take_cgroup, &search, 0);
	if (!search.done)
		__sync_fetch_and_or(&search.habits->all, habit);
}

#endif
