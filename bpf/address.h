/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Addresses as abi.h has them: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. */
#ifndef SLUICE_ADDRESS_H
#define SLUICE_ADDRESS_H

#include <linux/types.h>
#include <bpf/bpf_endian.h>

#include "abi.h"

#define AF_INET 2
#define AF_INET6 10

static __always_inline struct sluice_addr addr_from_v4(__be32 v4)
{
	return (struct sluice_addr){ .word = { 0, 0, bpf_htonl(0xffff), v4 } };
}

static __always_inline int addr_equal(const struct sluice_addr *a, const struct sluice_addr *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
	       a->word[3] == b->word[3];
}

static __always_inline int addr_is_v4(const struct sluice_addr *a)
{
	return !a->word[0] && !a->word[1] && a->word[2] == bpf_htonl(0xffff);
}

static __always_inline int addr_is_zero(const struct sluice_addr *a)
{
	return !a->word[0] && !a->word[1] && !a->word[2] && !a->word[3];
}

static __always_inline int addr_is_loopback(const struct sluice_addr *a)
{
	if (addr_is_v4(a))
		return (bpf_ntohl(a->word[3]) >> 24) == 127;
	return !a->word[0] && !a->word[1] && !a->word[2] && a->word[3] == bpf_htonl(1);
}

/* Not something a proxy could connect to on behalf of another socket: unspecified, multicast,
 * broadcast, and IPv6 link-local, whose interface the hooks are not told. (IPv4 link-local, such as
 * a cloud's metadata service, is routed like any other address.) */
static __always_inline int addr_is_unroutable(const struct sluice_addr *a)
{
	if (addr_is_v4(a)) {
		__u32 v4 = bpf_ntohl(a->word[3]);
		return v4 == 0 || (v4 >> 28) >= 14;
	}
	__u32 first = bpf_ntohl(a->word[0]);
	return addr_is_zero(a) || (first >> 24) == 0xff || (first >> 22) == (0xfe80 >> 6);
}

#endif
