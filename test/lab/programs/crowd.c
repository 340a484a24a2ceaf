/* SPDX-License-Identifier: Apache-2.0 */
/* Very many connections, by one epoll.
 *
 *   crowd serve PORT...                          answers 8 bytes with the same 8 bytes
 *   crowd churn AT_ONCE RATE TOTAL (ADDRESS PORT)...
 *                                                each: 8 bytes there and back, then the client
 *                                                closes first; round robin over the addresses; no
 *                                                more than RATE a second
 *   crowd hold COUNT ADDRESS PORT                opens COUNT, each has its 8 bytes echoed; for each
 *                                                line of stdin once more. "swap": ends all, and
 *                                                opens as many at once
 * churn prints {"done","failed","lastError","seconds"}, hold
 * {"open","round","slowestMs","again","failed","lastError"} each time.
 *
 * Kernels up to 6.18 reset a new connection now and then, without a mesh too: while a listener's
 * request becomes a socket there is a moment when the hash of sockets holds neither
 * (inet_ehash_insert), and data that another CPU brings just then meet the listener. Of 400,000
 * such between two bare namespaces 6 were reset. So a client stays on one CPU, which keeps its
 * packets in order, and what hold has reset before its first answer is opened again, a few times.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "descriptors.h"

enum { MAX_FD = 1 << 20, MAX_TARGETS = 16, MOST_AGAIN = 3 };

struct target {
	struct sockaddr_storage address;
	socklen_t length;
};

static struct target targets[MAX_TARGETS];
static int target_count;
static uint64_t sent[MAX_FD];
static char is_dead[MAX_FD];
static int epoll_fd;
static long done, failed, last_error;

static long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void resolve(struct target *target, const char *address, const char *port, int flags)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICHOST };
	struct addrinfo *found;
	if (getaddrinfo(address, port, &hints, &found))
		die(address);
	memcpy(&target->address, found->ai_addr, found->ai_addrlen);
	target->length = found->ai_addrlen;
	freeaddrinfo(found);
}

static void watch(int fd, uint32_t events, int operation)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	if (epoll_ctl(epoll_fd, operation, fd, &event))
		die("epoll_ctl");
}

static int start(const struct target *target)
{
	int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (connect(fd, (const void *)&target->address, target->length) && errno != EINPROGRESS) {
		last_error = errno;
		failed++;
		close(fd);
		return -1;
	}
	sent[fd] = 0;
	is_dead[fd] = 0;
	/* Once for all its life: what is measured is who it talks to. */
	watch(fd, EPOLLIN | EPOLLOUT | EPOLLET, EPOLL_CTL_ADD);
	return fd;
}

static int ask(int fd, uint64_t number)
{
	sent[fd] = number;
	return send(fd, &number, sizeof number, MSG_NOSIGNAL) == sizeof number ? 0 : -1;
}

/* 1: echoed; 0: not yet; -1: it failed. */
static int step(int fd, uint64_t number)
{
	uint64_t echo;
	if (!sent[fd])
		return ask(fd, number);
	ssize_t got = recv(fd, &echo, sizeof echo, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return 0;
	if (got != sizeof echo || echo != sent[fd]) {
		if (got >= 0)
			errno = EPROTO;
		return -1;
	}
	return 1;
}

static int churn(long at_once, long rate, long total)
{
	struct epoll_event events[256];
	long started = 0, open = 0, begin = now_ms(), happened = begin;
	while (done + failed < total) {
		long due = (now_ms() - begin) * rate / 1000 + 1;
		for (; open < at_once && started < total && started < due; started++)
			open += start(&targets[started % target_count]) >= 0;
		int is_ahead = open < at_once && started < total;
		int count = epoll_wait(epoll_fd, events, 256, is_ahead ? 1 : 30000);
		if (count > 0)
			happened = now_ms();
		else if (now_ms() - happened >= 30000)
			die("nothing happened for 30 s");
		for (int i = 0; i < count; i++) {
			int fd = events[i].data.fd, result = step(fd, (uint64_t)started + 1);
			if (result == 0)
				continue;
			if (result > 0) {
				done++;
			} else {
				last_error = errno;
				failed++;
			}
			close(fd);
			open--;
		}
	}
	printf("{\"done\":%ld,\"failed\":%ld,\"lastError\":\"%s\",\"seconds\":%.1f}\n", done, failed,
	       last_error ? strerrorname_np((int)last_error) : "", (now_ms() - begin) / 1000.0);
	return failed != 0;
}

static void start_again(int *fds, int fd)
{
	while (*fds != fd)
		fds++;
	close(fd);
	if ((*fds = start(&targets[0])) < 0)
		die("connect");
}

/* Everybody who is fresh, or else everybody, asks and has the answer, or fails. */
static void round_of(int *fds, long count, uint64_t number, int fresh)
{
	struct epoll_event events[256];
	long left = 0, again = 0, begin = now_ms();
	failed = 0;
	for (long i = 0; i < count; i++) {
		left += fresh || !is_dead[fds[i]];
		if (!fresh && !is_dead[fds[i]] && ask(fds[i], number))
			die("ask");
	}
	long asked = left;
	while (left > 0) {
		int ready = epoll_wait(epoll_fd, events, 256, 60000);
		if (ready == 0)
			die("nothing happened for 60 s");
		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd, result = step(fd, number);
			if (result == 0)
				continue;
			if (result < 0 && fresh && errno == ECONNRESET && again < MOST_AGAIN) {
				again++;
				start_again(fds, fd);
				continue;
			}
			if (result < 0) {
				last_error = errno;
				failed++;
				is_dead[fd] = 1;
				epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
			}
			left--;
		}
	}
	printf("{\"open\":%ld,\"round\":%llu,\"slowestMs\":%ld,\"again\":%ld,"
	       "\"failed\":%ld,\"lastError\":\"%s\"}\n",
	       asked - failed, (unsigned long long)number, now_ms() - begin, again, failed,
	       failed ? strerrorname_np((int)last_error) : "");
	fflush(stdout);
}

static void open_all(int *fds, long count)
{
	for (long i = 0; i < count; i++)
		if ((fds[i] = start(&targets[0])) < 0)
			die("connect");
}

static int hold(long count)
{
	int *fds = calloc((size_t)count, sizeof *fds);
	char line[64];
	uint64_t number = 1;
	if (!fds)
		die("calloc");
	open_all(fds, count);
	round_of(fds, count, number, 1);
	while (fgets(line, sizeof line, stdin)) {
		int swap = !strncmp(line, "swap", 4);
		for (long i = 0; i < count && swap; i++)
			close(fds[i]);
		if (swap)
			open_all(fds, count);
		round_of(fds, count, ++number, swap);
	}
	return 0;
}

static void stay_on_this_cpu(void)
{
	cpu_set_t here;
	CPU_ZERO(&here);
	CPU_SET((size_t)sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof here, &here))
		die("sched_setaffinity");
}

static _Noreturn void serve(int count, char **ports)
{
	struct epoll_event events[256];
	static char is_listener[MAX_FD];
	uint64_t number;
	for (int i = 0; i < count; i++) {
		struct target own;
		resolve(&own, "::", ports[i], AI_PASSIVE);
		int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		if (bind(fd, (void *)&own.address, own.length) || listen(fd, 16384))
			die("listen");
		is_listener[fd] = 1;
		watch(fd, EPOLLIN, EPOLL_CTL_ADD);
	}
	puts("listening");
	fflush(stdout);
	for (;;) {
		int ready = epoll_wait(epoll_fd, events, 256, -1);
		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd;
			if (is_listener[fd]) {
				int accepted;
				while ((accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0)
					watch(accepted, EPOLLIN, EPOLL_CTL_ADD);
				continue;
			}
			ssize_t got = recv(fd, &number, sizeof number, 0);
			if (got < 0 && errno == EAGAIN)
				continue;
			if (got != sizeof number ||
			    send(fd, &number, sizeof number, MSG_NOSIGNAL) != sizeof number)
				close(fd);
		}
	}
}

int main(int argc, char **argv)
{
	take_all_descriptors();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (argc > 2 && !strcmp(argv[1], "serve"))
		serve(argc - 2, argv + 2);
	int first = argc > 1 && !strcmp(argv[1], "churn") ? 5 : 3;
	for (int i = first; i + 1 < argc && target_count < MAX_TARGETS; i += 2)
		resolve(&targets[target_count++], argv[i], argv[i + 1], 0);
	if (target_count == 0) {
		fputs("usage: crowd serve|churn|hold ...\n", stderr);
		return 2;
	}
	stay_on_this_cpu();
	if (first == 5)
		return churn(atol(argv[2]), atol(argv[3]), atol(argv[4]));
	return hold(atol(argv[2]));
}
