/* SPDX-License-Identifier: Apache-2.0 */
/* One pod's storm, by one epoll, until standard input ends.
 *
 *   storm talk ADDRESS PORT COUNT    so many connections, each with 64 B there and back all the
 *   time storm flood ADDRESS PORT COUNT   so many connections that write 64 KiB at a time, without
 *   pause storm churn ADDRESS PORT RATE    so many new connections a second: a byte there and back,
 *   close
 *
 * Prints "ready" when the storm blows, and in the end {"ops","failed","seconds"}: answers, sends or
 * connections. A connection that fails is counted and, with talk and flood, not made again.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 64, PIECE = 65536, MOST_OPEN = 2000, WAIT_MS = 1 };
enum mode { TALK, FLOOD, CHURN };

static char buffer[PIECE];
static struct sockaddr_in target;
static enum mode mode;
static int epoll_fd;
static long open_now, ready_now, ops, failed;

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void die(const char *what)
{
	fprintf(stderr, "storm: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(int fd, uint32_t events, int operation)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	if (epoll_ctl(epoll_fd, operation, fd, &event))
		die("epoll_ctl");
}

static void start(void)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, (void *)&target, sizeof target) && errno != EINPROGRESS) {
		failed++;
		close(fd);
		return;
	}
	open_now++;
	watch(fd, EPOLLOUT, EPOLL_CTL_ADD);
}

static void end(int fd, int in_order)
{
	failed += !in_order;
	open_now--;
	close(fd);
}

static void ask(int fd)
{
	size_t size = mode == TALK ? MESSAGE : 1;
	if (send(fd, buffer, size, MSG_NOSIGNAL) != (ssize_t)size)
		end(fd, 0);
}

static void flood(int fd)
{
	for (int i = 0; i < 16; i++) {
		ssize_t sent = send(fd, buffer, PIECE, MSG_NOSIGNAL);
		if (sent > 0)
			ops++;
		else if (errno == EAGAIN)
			return;
		else
			return end(fd, 0);
	}
}

static void receive(int fd)
{
	ssize_t got = recv(fd, buffer, MESSAGE, 0);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0)
		return end(fd, 0);
	ops++;
	if (mode == CHURN)
		end(fd, 1);
	else
		ask(fd);
}

static void serve(int fd, uint32_t events)
{
	if (events & (EPOLLERR | EPOLLHUP))
		return end(fd, 0);
	if (events & EPOLLIN)
		return receive(fd);
	/* Connected, or room again. */
	ready_now += mode != FLOOD;
	if (mode == FLOOD)
		return flood(fd);
	watch(fd, EPOLLIN, EPOLL_CTL_MOD);
	ask(fd);
}

static void turn(void)
{
	struct epoll_event events[512];
	int count = epoll_wait(epoll_fd, events, 512, WAIT_MS);
	for (int i = 0; i < count; i++)
		serve(events[i].data.fd, events[i].events);
}

static int told_to_end(void)
{
	struct pollfd input = { STDIN_FILENO, POLLIN, 0 };
	char byte;
	return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static void blow(long count)
{
	double begin = now_s();
	long started = 0;
	int said = 0;
	while (!told_to_end()) {
		double seconds = now_s() - begin;
		long wanted = mode == CHURN ? (long)(seconds * (double)count) : count;
		long room = mode == CHURN ? MOST_OPEN : count;
		for (int i = 0; i < 512 && started < wanted && open_now < room; i++, started++)
			start();
		turn();
		int blows = mode == TALK ? ready_now + failed >= count : ops > count / 5;
		if (blows && !said++) {
			puts("ready");
			fflush(stdout);
		}
	}
	printf("{\"ops\":%ld,\"failed\":%ld,\"seconds\":%.3f}\n", ops, failed, now_s() - begin);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	if (argc != 5) {
		fputs("usage: storm talk|flood|churn ADDRESS PORT NUMBER\n", stderr);
		return 2;
	}
	mode = !strcmp(argv[1], "talk") ? TALK : !strcmp(argv[1], "flood") ? FLOOD : CHURN;
	target = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(atoi(argv[3])) };
	if (inet_pton(AF_INET, argv[2], &target.sin_addr) != 1) {
		fprintf(stderr, "storm: '%s' is not an IPv4 address\n", argv[2]);
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	blow(atol(argv[4]));
	return 0;
}
