/* SPDX-License-Identifier: Apache-2.0 */
/* Load for the l4 benchmark, both ends in one program. Every socket and listener is non-blocking
 * and served by epoll, as in nginx, Go or Node, so that acceleration `auto` applies to it.
 *
 *   load serve PORT                                   echo on PORT, sink on PORT+1, one-shot on
 *   PORT+2 load pingpong ADDRESS PORT BYTES SECONDS          prints
 *   {"ops","p50Us","p99Us","p999Us"} load stream ADDRESS PORT WRITE_BYTES TOTAL_BYTES  prints
 *   {"bytes","seconds"} load connect ADDRESS PORT CONCURRENCY SECONDS     prints
 *   {"ops","failed","seconds"} load hold ADDRESS PORT COUNT                      opens COUNT,
 *   prints {"open","failed"}, ends with stdin
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ECHO, SINK, ONE_SHOT, BUFFER = 1 << 20, MAX_FD = 1 << 20 };
static char buffer[BUFFER];

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static socklen_t parse_address(const char *text, int port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (void *)out;
	struct sockaddr_in6 *v6 = (void *)out;

	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return sizeof *v4;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1) {
		fprintf(stderr, "load: '%s' is not an IP address\n", text);
		exit(1);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return sizeof *v6;
}

static void no_delay(int fd)
{
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static int start_connect(const struct sockaddr_storage *to, socklen_t length)
{
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	no_delay(fd);
	if (connect(fd, (const void *)to, length) && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static int wait_for(int fd, short events)
{
	struct pollfd p = { fd, events, 0 };
	return poll(&p, 1, 20000) == 1 ? p.revents : -1;
}

static int connect_wait(const struct sockaddr_storage *to, socklen_t length)
{
	int error = 0, fd = start_connect(to, length);
	socklen_t size = sizeof error;

	if (fd < 0)
		return -1;
	wait_for(fd, POLLOUT);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) || error) {
		errno = error;
		close(fd);
		return -1;
	}
	return fd;
}

/* Writes all, waiting for room; -1 when the connection is gone. */
static int send_all(int fd, const char *data, size_t length)
{
	while (length) {
		ssize_t n = send(fd, data, length, MSG_NOSIGNAL);
		if (n > 0) {
			data += n;
			length -= n;
		} else if (errno == EAGAIN) {
			wait_for(fd, POLLOUT);
		} else {
			return -1;
		}
	}
	return 0;
}

static int receive_exactly(int fd, size_t length)
{
	while (length) {
		ssize_t n = recv(fd, buffer, length < BUFFER ? length : BUFFER, 0);
		if (n > 0)
			length -= n;
		else if (n < 0 && errno == EAGAIN)
			wait_for(fd, POLLIN);
		else
			return -1;
	}
	return 0;
}

static void listen_on(int epoll, int port, int kind)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int one = 1, off = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	uint64_t tag = (uint64_t)fd | (uint64_t)(kind + 8) << 32;
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = tag };

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(fd, (void *)&any, sizeof any) || listen(fd, 4096))
		die("listen");
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

static uint64_t sunk[MAX_FD];

/* Returns 0 when the connection has ended. */
static int serve_one(int fd, int kind)
{
	for (;;) {
		ssize_t n = recv(fd, buffer, BUFFER, 0);
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0) {
			if (kind == SINK)
				send_all(fd, (char *)&sunk[fd], 8);
			return 0;
		}
		sunk[fd] += n;
		if (kind != SINK && send_all(fd, buffer, n))
			return 0;
		if (kind != SINK && n < BUFFER)
			return 1;
	}
}

static _Noreturn void serve(int port)
{
	int epoll = epoll_create1(0);
	struct epoll_event events[256];

	for (int kind = ECHO; kind <= ONE_SHOT; kind++)
		listen_on(epoll, port + kind, kind);
	puts("{\"ready\":true}");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, events, 256, -1);
		for (int i = 0; i < n; i++) {
			int fd = (int)events[i].data.u64, kind = events[i].data.u64 >> 32;
			if (kind >= 8) {
				int c = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
				struct epoll_event e = { .events = EPOLLIN,
							 .data.u64 = (uint64_t)c | (uint64_t)(kind - 8) << 32 };
				if (c < 0)
					continue;
				no_delay(c);
				sunk[c] = 0;
				epoll_ctl(epoll, EPOLL_CTL_ADD, c, &e);
			} else if (!serve_one(fd, kind)) {
				close(fd);
			}
		}
	}
}

static int by_value(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

static int pingpong(const struct sockaddr_storage *to, socklen_t length, size_t bytes,
		    double seconds)
{
	size_t count = 0, room = 1 << 22;
	float *us = malloc(room * sizeof *us);
	int fd = connect_wait(to, length);
	double start, end;

	if (fd < 0)
		die("connect");
	for (start = now_s(), end = start + seconds; start < end && count < room;) {
		double done;
		if (send_all(fd, buffer, bytes) || receive_exactly(fd, bytes))
			die("pingpong");
		done = now_s();
		us[count++] = (done - start) * 1e6;
		start = done;
	}
	qsort(us, count, sizeof *us, by_value);
	printf("{\"ops\":%zu,\"p50Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f}\n", count, us[count / 2],
	       us[count * 99 / 100], us[count * 999 / 1000]);
	return 0;
}

static int stream(const struct sockaddr_storage *to, socklen_t length, size_t bytes, uint64_t total)
{
	uint64_t sent = 0, got = 0;
	int fd = connect_wait(to, length);
	double start = now_s();

	if (fd < 0)
		die("connect");
	for (; sent < total; sent += bytes)
		if (send_all(fd, buffer, bytes))
			die("stream");
	shutdown(fd, SHUT_WR);
	if (receive_exactly(fd, 8))
		die("stream: no count from the sink");
	memcpy(&got, buffer, 8);
	if (got != sent) {
		fprintf(stderr, "load: sent %llu bytes, the sink has %llu\n", (unsigned long long)sent,
			(unsigned long long)got);
		return 1;
	}
	printf("{\"bytes\":%llu,\"seconds\":%.6f}\n", (unsigned long long)got, now_s() - start);
	return 0;
}

static int connects(const struct sockaddr_storage *to, socklen_t length, int concurrency,
		    double seconds)
{
	int epoll = epoll_create1(0), running = 0;
	uint64_t ops = 0, failed = 0;
	double start = now_s(), end = start + seconds;
	struct epoll_event events[256];

	while (running || now_s() < end) {
		for (; running < concurrency && now_s() < end; running++) {
			struct epoll_event e = { .events = EPOLLOUT };
			int fd = start_connect(to, length);
			if (fd < 0) {
				failed++;
				break;
			}
			e.data.fd = fd;
			epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
		}
		int n = epoll_wait(epoll, events, 256, 20000);
		if (n <= 0 && running) {
			failed += running;
			break;
		}
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
			if (events[i].events == EPOLLOUT && send(fd, "x", 1, MSG_NOSIGNAL) == 1) {
				epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e);
				continue;
			}
			if (recv(fd, buffer, 1, 0) == 1)
				ops++;
			else
				failed++;
			close(fd);
			running--;
		}
	}
	printf("{\"ops\":%llu,\"failed\":%llu,\"seconds\":%.6f}\n", (unsigned long long)ops,
	       (unsigned long long)failed, now_s() - start);
	return 0;
}

static int hold(const struct sockaddr_storage *to, socklen_t length, int count)
{
	int open = 0, failed = 0;

	for (int i = 0; i < count; i++) {
		if (connect_wait(to, length) < 0)
			failed++;
		else
			open++;
	}
	printf("{\"open\":%d,\"failed\":%d}\n", open, failed);
	fflush(stdout);
	while (read(0, buffer, 1) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	struct sockaddr_storage to;
	socklen_t length;

	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(atoi(argv[2]));
	if (argc < 5) {
		fputs("usage: load serve PORT | pingpong|stream|connect|hold ADDRESS PORT ...\n", stderr);
		return 2;
	}
	length = parse_address(argv[2], atoi(argv[3]), &to);
	if (!strcmp(argv[1], "hold"))
		return hold(&to, length, atoi(argv[4]));
	if (argc < 6)
		return 2;
	if (!strcmp(argv[1], "pingpong"))
		return pingpong(&to, length, strtoul(argv[4], NULL, 10), atof(argv[5]));
	if (!strcmp(argv[1], "stream"))
		return stream(&to, length, strtoul(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
	if (!strcmp(argv[1], "connect"))
		return connects(&to, length, atoi(argv[4]), atof(argv[5]));
	return 2;
}
