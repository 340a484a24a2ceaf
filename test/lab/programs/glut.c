/* SPDX-License-Identifier: Apache-2.0 */
/* Writers that are faster than their readers, which read when they are told and not before.
 *
 *   glut serve PORT                  takes connections; a line of stdin is a number of bytes to
 *                                    read, of all connections together
 *   glut write ADDRESS PORT COUNT    opens COUNT connections; a line of stdin is a number of bytes
 *                                    to write on each, in pieces of 64 KiB
 * Each line is answered by one: {"bytes"}, of all connections since the start. The writer answers,
 * too, when no connection took anything for two seconds. Sockets are non-blocking.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"

enum { MAX_CONNECTIONS = 4096, PIECE = 65536, STUCK_MS = 2000, PATIENCE_MS = 60000 };

static struct pollfd sockets[MAX_CONNECTIONS + 2];
static unsigned long long left[MAX_CONNECTIONS + 2];
static int count;
static unsigned long long total;
static char piece[PIECE];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void report(void)
{
	printf("{\"bytes\":%llu}\n", total);
	fflush(stdout);
}

static int connect_to(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *found;
	if (getaddrinfo(address, port, &hints, &found))
		die(address);
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd ready = { fd, POLLOUT, 0 };
	int error = 0;
	socklen_t length = sizeof error;
	if (fd < 0 || (connect(fd, found->ai_addr, found->ai_addrlen) && errno != EINPROGRESS))
		die("connect");
	freeaddrinfo(found);
	if (poll(&ready, 1, PATIENCE_MS) != 1 ||
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) || error) {
		errno = error ? error : ETIMEDOUT;
		die("connect");
	}
	return fd;
}

/* As much as the kernel takes. */
static void write_some(int i)
{
	while (left[i]) {
		ssize_t sent = send(sockets[i].fd, piece, left[i] < PIECE ? left[i] : PIECE, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent < 0)
			die("send");
		total += sent;
		left[i] -= sent;
	}
	sockets[i].events = 0;
}

static void write_round(unsigned long long bytes)
{
	unsigned long long open = 0;
	for (int i = 0; i < count; i++) {
		left[i] = bytes;
		sockets[i].events = POLLOUT;
	}
	do {
		if (poll(sockets, count, STUCK_MS) == 0)
			break;
		open = 0;
		for (int i = 0; i < count; i++) {
			if (sockets[i].revents & POLLOUT)
				write_some(i);
			else if (sockets[i].revents)
				die("a connection failed");
			open += left[i];
		}
	} while (open);
	report();
}

/* One of many has a small buffer of its own, so that what is seen is what lies beyond it. */
static int run_writer(char **argv)
{
	char line[64];
	int wanted = atoi(argv[2]), small = 1 << 16;
	for (; count < wanted && count < MAX_CONNECTIONS; count++) {
		int fd = connect_to(argv[0], argv[1]);
		if (wanted > 1)
			setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
		sockets[count] = (struct pollfd){ fd, POLLOUT, 0 };
	}
	puts("connected");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin))
		write_round(strtoull(line, NULL, 10));
	return 0;
}

static void take_connection(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	if (fd >= 0 && count < MAX_CONNECTIONS + 2)
		sockets[count++] = (struct pollfd){ fd, 0, 0 };
}

/* Until `limit` bytes were read in this round, or all streams have ended. Takes connections, too:
 * some may still be on their way here. */
static void read_round(unsigned long long limit)
{
	unsigned long long done = 0;
	int open = count - 2;
	for (int i = 2; i < count; i++)
		sockets[i].events = POLLIN;
	sockets[1].events = 0;
	while (done < limit && (open || count == 2)) {
		if (poll(sockets, count, PATIENCE_MS) == 0)
			break;
		int before = count;
		if (sockets[0].revents)
			take_connection(sockets[0].fd);
		if (count > before) {
			sockets[before].events = POLLIN;
			open++;
		}
		for (int i = 2; i < count && done < limit; i++) {
			if (!sockets[i].revents)
				continue;
			size_t room = limit - done < PIECE ? limit - done : PIECE;
			ssize_t got = recv(sockets[i].fd, piece, room, 0);
			if (got < 0 && errno == EAGAIN)
				continue;
			if (got < 0)
				die("recv");
			if (got == 0) {
				close(sockets[i].fd);
				sockets[i].fd = -1;
				open--;
			}
			done += got;
		}
	}
	total += done;
	for (int i = 2; i < count; i++)
		sockets[i].events = 0;
	sockets[1].events = POLLIN;
	report();
}

static int run_reader(const char *port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(port)) };
	int one = 1, off = 0, listener = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char line[64];
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(listener, (void *)&any, sizeof any) || listen(listener, 4096))
		die("listen");
	sockets[0] = (struct pollfd){ listener, POLLIN, 0 };
	sockets[1] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
	count = 2;
	puts("listening");
	fflush(stdout);
	for (;;) {
		poll(sockets, 2, -1);
		if (sockets[0].revents)
			take_connection(listener);
		if (!sockets[1].revents)
			continue;
		if (!fgets(line, sizeof line, stdin))
			return 0;
		read_round(strtoull(line, NULL, 10));
	}
}

int main(int argc, char **argv)
{
	take_all_descriptors();
	if (argc == 3 && !strcmp(argv[1], "serve"))
		return run_reader(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "write"))
		return run_writer(argv + 2);
	fputs("usage: glut serve PORT | write ADDRESS PORT COUNT\n", stderr);
	return 2;
}
