/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counting, so that every outcome has a name that the metrics show, and events for what user space
 * acts on. */
#ifndef SLUICE_COUNT_H
#define SLUICE_COUNT_H

#include "maps.h"

/* Returns `verdict`: programs end with `return count(WHY, verdict)`. */
static __always_inline int count(__u32 counter, int verdict)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);
	if (value)
		(*value)++; /* per CPU; a program is not preempted by another on the same CPU often
			       enough to matter */
	return verdict;
}

static __always_inline void send_event(const struct sluice_event *event)
{
	long error = bpf_ringbuf_output(&events, (void *)event, sizeof(*event), 0);
	count(error ? SLUICE_COUNT_EVENT_LOST : SLUICE_COUNT_EVENT_SENT, 0);
}

#endif
