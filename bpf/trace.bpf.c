// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Syscall tracepoints, where the kernel has them: apps that do to an accelerated socket what
 * acceleration does not suit. splice(2) from one that takes redirected bytes; O_NONBLOCK switched
 * off by fcntl(2) or ioctl(2). What must stop at once is a flag in sock_info; what only user space
 * can do is an event. */
#include <bpf/bpf_endian.h>

#include "habits.h"
#include "sock.h"

#define F_SETFL 4
#define FIONBIO 0x5421
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6

/* The tracepoints' stable format, see events/syscalls/<name>/format. */
struct syscall_enter {
	__u64 header;
	long number;
	unsigned long args[6];
};

static __always_inline int untouched(void)
{
	return count(SLUICE_COUNT_TRACE_UNTOUCHED, 0);
}

/* The caller's TCP socket behind this descriptor, 0 if it is something else. */
static __always_inline struct sock *socket_behind(unsigned long fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = 0, **files = BPF_CORE_READ(table, fd);
	if ((__u32)fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), files + (__u32)fd);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	struct socket *socket = BPF_CORE_READ(file, private_data);
	struct sock *sk = BPF_CORE_READ(socket, sk);
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if ((family != AF_INET && family != AF_INET6) ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	return sk;
}

static __always_inline struct sluice_sock *app_behind(unsigned long fd, __u64 *cookie)
{
	struct sock *sk = socket_behind(fd);
	if (!sk)
		return 0;
	*cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	struct sluice_sock *info = *cookie ? find_sock(*cookie) : 0;
	__u32 wanted = SLUICE_SOCK_APP | SLUICE_SOCK_IN_HASH;
	return info && (flags_of(info) & wanted) == wanted ? info : 0;
}

static __always_inline void report(const struct sluice_sock *app, __u64 cookie, __u32 kind)
{
	struct sluice_event event = {
		.at_ns = bpf_ktime_get_ns(),
		.socket_cookie = cookie,
		.netns_cookie = app->netns_cookie,
		.cgroup_id = bpf_get_current_cgroup_id(),
		.kind = kind,
		.pid = bpf_get_current_pid_tgid() >> 32,
		.pod_id = app->pod_id,
	};
	send_event(&event);
}

/* In mode full a socket leaves only when it is known to be empty, and a recv(2) that was begun
 * before that may return EAGAIN. So the next ones do not enter: clients are known by their cgroup,
 * accepted sockets by their listener. */
static __always_inline void remember_blocking(const struct sluice_sock *app)
{
	struct sock *sk = (void *)app->tcp_sock;
	__u32 to = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	__u32 port = BPF_CORE_READ(sk, __sk_common.skc_num);

	if (to >= SLUICE_SPREAD_FIRST && to < SLUICE_SPREAD_FIRST + SLUICE_SPREAD_COUNT)
		learn_habit(app->netns_cookie, bpf_get_current_cgroup_id(),
			    SLUICE_HABIT_CLIENT_BLOCKS);
	else
		learn_accepts(app->netns_cookie, port, SLUICE_ACCEPTS_BLOCKING);
}

static __always_inline int turns_blocking(unsigned long fd)
{
	__u64 cookie = 0;
	struct sluice_sock *app = app_behind(fd, &cookie);
	if (!app || flags_of(app) & SLUICE_SOCK_BLOCKING)
		return untouched();
	set_flags(app, SLUICE_SOCK_BLOCKING);
	if (flags_of(app) & SLUICE_SOCK_PAIRABLE)
		remember_blocking(app);
	report(app, cookie, SLUICE_EVENT_TURNED_BLOCKING);
	return count(SLUICE_COUNT_TURNED_BLOCKING, 0);
}

SEC("tracepoint/syscalls/sys_enter_fcntl")
int enter_fcntl(struct syscall_enter *ctx)
{
	if (ctx->args[1] != F_SETFL || ctx->args[2] & SLUICE_O_NONBLOCK)
		return untouched();
	return turns_blocking(ctx->args[0]);
}

SEC("tracepoint/syscalls/sys_enter_ioctl")
int enter_ioctl(struct syscall_enter *ctx)
{
	int nonblocking = 1;
	if ((__u32)ctx->args[1] != FIONBIO)
		return untouched();
	bpf_probe_read_user(&nonblocking, sizeof(nonblocking), (void *)ctx->args[2]);
	return nonblocking ? untouched() : turns_blocking(ctx->args[0]);
}

SEC("tracepoint/syscalls/sys_enter_splice")
int enter_splice(struct syscall_enter *ctx)
{
	__u64 cookie = 0;
	struct sluice_sock *app = app_behind(ctx->args[0], &cookie);
	if (!app || !(flags_of(app) & SLUICE_SOCK_PAIRABLE) || flags_of(app) & SLUICE_SOCK_SPLICES)
		return untouched();
	set_flags(app, SLUICE_SOCK_SPLICES);
	/* Its sockets of the future stay out; into this one nothing more is redirected. */
	learn_habit(app->netns_cookie, bpf_get_current_cgroup_id(), SLUICE_HABIT_SPLICES);
	report(app, cookie, SLUICE_EVENT_SPLICE_USER);
	return count(SLUICE_COUNT_SPLICE_USER, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
