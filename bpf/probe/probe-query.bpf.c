/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How much does the kernel say that a socket holds unread? Also the probe for BTF: the field is
 * found by relocation, or the object does not load. */
#include "probe.h"
#include <bpf/bpf_core_read.h>

/* The kernel's own, as far as it is read here; offsets come from its BTF. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
typedef struct {
	int counter;
} atomic_t;
struct sock {
	struct {
		atomic_t rmem_alloc;
	} sk_backlog;
};
#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct probe_key);
	__type(value, __u64);
} probe_addresses SEC(".maps");

SEC("syscall")
int probe_query_queue(struct probe_query *query)
{
	struct probe_key key = query->key;
	__u64 *address = bpf_map_lookup_elem(&probe_addresses, &key);
	struct sock *sk;

	query->found = 0;
	if (!address)
		return 0;
	sk = (struct sock *)*address;
	query->queued_bytes = BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter);
	query->found = 1;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
