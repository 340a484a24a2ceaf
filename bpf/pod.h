/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the hooks of new connections ask: whose is it, is the proxy alive, is there a listener. */
#ifndef SLUICE_POD_H
#define SLUICE_POD_H

#include "address.h"
#include "count.h"

static __always_inline struct sluice_settings *get_settings(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&settings, &zero);
}

#define ACCEL_FULL SLUICE_POD_ACCEL_FULL
#define ACCEL_ANY (SLUICE_POD_ACCEL_AUTO | SLUICE_POD_ACCEL_FULL)

/* A pod that asks for a mode of acceleration which this kernel does not serve is as one that asks
 * for none, to the proxy too, which reads twice from a socket with two queues. */
static __always_inline __u32 served_flags(const struct sluice_settings *set, __u32 flags)
{
	return flags & (set->acceleration | ~ACCEL_ANY);
}

/* Another layout may be the one that intercepts: before this one goes live, and after its successor
 * did. */
static __always_inline int layout_active(void)
{
	__u32 zero = 0;
	__u64 *active = bpf_map_lookup_elem(&active_layout, &zero);
	return active && *(volatile __u64 *)active == SLUICE_LAYOUT;
}

/* Any generation that writes its beat will do: during an upgrade two live side by side. */
static __always_inline int proxy_alive(const struct sluice_settings *set)
{
	__u32 zero = 0;
	struct sluice_generations *all = bpf_map_lookup_elem(&generations, &zero);
	if (!all)
		return 0;
	__u64 now = bpf_ktime_get_ns();
	for (int i = 0; i < SLUICE_GENERATIONS; i++) {
		__u64 beat = *(volatile __u64 *)&all->beat_ns[i];
		/* A beat may be a moment younger than `now`: it is written on another CPU. */
		if (beat && (beat >= now || now - beat < set->beat_max_age_ns))
			return 1;
	}
	return 0;
}

static __always_inline const struct sluice_addr *pod_addr(const struct sluice_pod *pod, int v4)
{
	return v4 ? &pod->ipv4 : &pod->ipv6;
}

#endif
