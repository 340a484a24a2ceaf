/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets used in ways that a sockhash could break:
 *
 *   special KIND serve PORT | special KIND run ADDRESS PORT BYTES COUNT
 *   splice    reads by splice(2) into a pipe and writes by splice(2) from it
 *   blocking  connects or accepts non-blocking, then turns the socket blocking (F_SETFL) and reads
 *   in one
 *             thread while it writes in another
 *   zerocopy  asks for SO_ZEROCOPY and, where that is granted, waits for every completion
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, STALL_MS = 20000 };
static const char *kind;
static uint8_t *data;
static size_t data_length;

static int is(const char *name)
{
	return !strcmp(kind, name);
}

static int wait_for(int fd, short events)
{
	struct pollfd p = { fd, events, 0 };
	return poll(&p, 1, STALL_MS) == 1 ? 0 : -1;
}

static int again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* Echo by splice: every byte goes through the pipe and back. NULL or what failed. */
static const char *echo_splice(int fd)
{
	int pipe_fds[2];
	const char *error = NULL;

	if (pipe(pipe_fds))
		return "pipe";
	for (;;) {
		ssize_t n = splice(fd, NULL, pipe_fds[1], NULL, CHUNK, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n == 0)
			break;
		if (n < 0 && again() && !wait_for(fd, POLLIN))
			continue;
		if (n < 0) {
			error = "splice from the socket";
			break;
		}
		while (n > 0) {
			ssize_t m = splice(pipe_fds[0], NULL, fd, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (m > 0)
				n -= m;
			else if (!again() || wait_for(fd, POLLOUT))
				return "splice to the socket";
		}
	}
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return error;
}

static const char *await_completions(int fd, uint32_t sends)
{
	uint32_t done = 0;

	while (done < sends) {
		uint8_t control[128];
		struct msghdr message = { .msg_control = control, .msg_controllen = sizeof control };
		struct cmsghdr *c;
		struct sock_extended_err *e;
		if (recvmsg(fd, &message, MSG_ERRQUEUE) < 0) {
			if (!again() || wait_for(fd, POLLERR))
				return "a zero-copy completion never came";
			continue;
		}
		c = CMSG_FIRSTHDR(&message);
		if (!c)
			continue;
		e = (void *)CMSG_DATA(c);
		done += e->ee_data - e->ee_info + 1;
	}
	return NULL;
}

static const char *send_all(int fd, const uint8_t *from, size_t length, int flags, uint32_t *sends)
{
	while (length) {
		ssize_t n = send(fd, from, length < CHUNK ? length : CHUNK, flags | MSG_NOSIGNAL);
		if (n > 0) {
			from += n;
			length -= n;
			++*sends;
		} else if (n < 0 && errno == ENOBUFS) {
			usleep(1000);
		} else if (!again() || wait_for(fd, POLLOUT)) {
			return "send";
		}
	}
	return NULL;
}

/* Zero-copy as far as the kernel grants it; an app falls back when it does not. */
static int zero_copy_flag(int fd)
{
	int one = 1;
	if (!is("zerocopy") || setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof one))
		return 0;
	return MSG_ZEROCOPY;
}

static const char *echo_copy(int fd)
{
	uint8_t *buffer = malloc(CHUNK);
	int flags = zero_copy_flag(fd);
	const char *error = NULL;

	while (!error) {
		uint32_t sends = 0;
		ssize_t n = recv(fd, buffer, CHUNK, 0);
		if (n == 0)
			break;
		if (n < 0 && is("blocking"))
			error = errno == EAGAIN ? "EAGAIN from a blocking recv" : "recv";
		else if (n < 0 && (!again() || wait_for(fd, POLLIN)))
			error = "recv";
		else if (n > 0)
			error = send_all(fd, buffer, n, flags, &sends);
		if (!error && flags && sends)
			error = await_completions(fd, sends);
	}
	free(buffer);
	return error;
}

static void turn_blocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

static void *serve_one(void *argument)
{
	int fd = (int)(intptr_t)argument;
	const char *error;

	if (is("blocking"))
		turn_blocking(fd);
	error = is("splice") ? echo_splice(fd) : echo_copy(fd);
	if (error)
		fprintf(stderr, "server: %s: %s\n", error, strerror(errno));
	close(fd);
	return NULL;
}

static void serve(int port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int one = 1, off = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(fd, (void *)&any, sizeof any) || listen(fd, 512)) {
		perror("listen");
		exit(1);
	}
	puts("{\"ready\":true}");
	fflush(stdout);
	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };
		pthread_t thread;
		poll(&p, 1, -1);
		int c = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
		if (c >= 0 && !pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)c))
			pthread_detach(thread);
	}
}

static void *write_all(void *argument)
{
	int fd = (int)(intptr_t)argument;
	uint32_t sends = 0;
	int flags = zero_copy_flag(fd);
	const char *error = send_all(fd, data, data_length, flags, &sends);

	if (!error && flags)
		error = await_completions(fd, sends);
	shutdown(fd, SHUT_WR);
	return (void *)error;
}

static const char *read_all(int fd)
{
	size_t got = 0;
	uint8_t *buffer = malloc(CHUNK);
	const char *error = NULL;

	while (!error) {
		ssize_t n = recv(fd, buffer, CHUNK, 0);
		if (n == 0)
			break;
		if (n < 0 && is("blocking"))
			error = errno == EAGAIN ? "EAGAIN from a blocking recv" : "recv";
		else if (n < 0 && (!again() || wait_for(fd, POLLIN)))
			error = "recv";
		else if (n > 0 && (got + n > data_length || memcmp(buffer, data + got, n)))
			error = "wrong byte";
		else if (n > 0)
			got += n;
	}
	free(buffer);
	return error ? error : got == data_length ? NULL : "end of stream too early";
}

static const char *one(const struct sockaddr_storage *to, socklen_t length)
{
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	const char *error;
	void *writer_error = NULL;
	pthread_t writer;

	if (connect(fd, (const void *)to, length) && errno != EINPROGRESS) {
		close(fd);
		return "connect";
	}
	wait_for(fd, POLLOUT);
	if (is("blocking"))
		turn_blocking(fd);
	pthread_create(&writer, NULL, write_all, (void *)(intptr_t)fd);
	error = read_all(fd);
	pthread_join(writer, &writer_error);
	close(fd);
	return error ? error : writer_error;
}

static int run(char **argv)
{
	struct sockaddr_storage to = { 0 };
	struct sockaddr_in *v4 = (void *)&to;
	struct sockaddr_in6 *v6 = (void *)&to;
	int count = atoi(argv[3]), failed = 0, is_v4 = inet_pton(AF_INET, argv[0], &v4->sin_addr) == 1;
	const char *last = NULL;

	to.ss_family = is_v4 ? AF_INET : AF_INET6;
	v4->sin_port = htons(atoi(argv[1]));
	if (!is_v4 && inet_pton(AF_INET6, argv[0], &v6->sin6_addr) != 1)
		return 2;
	data_length = strtoul(argv[2], NULL, 10);
	data = malloc(data_length + 1);
	for (size_t i = 0; i < data_length; i++)
		data[i] = i * 31 + (i >> 8);
	for (int i = 0; i < count; i++) {
		const char *error = one(&to, is_v4 ? sizeof *v4 : sizeof *v6);
		if (error) {
			last = error;
			failed++;
		}
	}
	printf("{\"ok\":%d,\"failed\":%d,\"errors\":[", count - failed, failed);
	printf(last ? "\"%s\"]}\n" : "]}\n", last);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	kind = argc > 1 ? argv[1] : "";
	if (argc == 4 && !strcmp(argv[2], "serve"))
		serve(atoi(argv[3]));
	if (argc == 7 && !strcmp(argv[2], "run"))
		return run(argv + 3);
	fputs("usage: special splice|blocking|zerocopy serve PORT\n"
	      "       special splice|blocking|zerocopy run ADDRESS PORT BYTES COUNT\n",
	      stderr);
	return 2;
}
