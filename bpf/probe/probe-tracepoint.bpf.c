/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Are the syscalls seen by which a program becomes unfit for acceleration? */
#include "probe.h"

static __always_inline int note_own(__u32 slot)
{
	const struct probe_config *config = probe_configuration();

	if (config && config->cgroup_id == bpf_get_current_cgroup_id())
		probe_note(slot, 0);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_splice")
int probe_splice(void *ctx)
{
	return note_own(PROBE_SPLICE);
}

SEC("tracepoint/syscalls/sys_enter_fcntl")
int probe_fcntl(void *ctx)
{
	return note_own(PROBE_FCNTL);
}

SEC("tracepoint/syscalls/sys_enter_ioctl")
int probe_ioctl(void *ctx)
{
	return note_own(PROBE_IOCTL);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
