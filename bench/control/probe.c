/* SPDX-License-Identifier: Apache-2.0 */
/* Connections for the control benchmark, one at a time.
 *
 *   probe serve PORT LETTER      answers each connection with the letter, and closes it
 *   probe watch ADDRESS PORT     connects again and again; whenever another letter answers
 *                                than before, prints it with the time (CLOCK_MONOTONIC, ns)
 *   probe touch PORT ADDRESS...  connects to each once, and waits for no answer
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Between two connections, so that watching is not a storm of its own. */
static const struct timespec gap = { .tv_nsec = 100 * 1000 };

static void die(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in parse(const char *address, const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1) {
		fprintf(stderr, "probe: '%s' is not an IPv4 address\n", address);
		exit(1);
	}
	return to;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void serve(const char *port, const char *letter)
{
	struct sockaddr_in at = parse("0.0.0.0", port);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (void *)&at, sizeof at) || listen(listener, 512))
		die("listen");
	puts("ready");
	for (;;) {
		int one = accept(listener, NULL, NULL);

		if (one < 0)
			continue;
		if (write(one, letter, 1) != 1)
			fprintf(stderr, "probe: write: %s\n", strerror(errno));
		close(one);
	}
}

static void watch(const char *address, const char *port)
{
	struct sockaddr_in to = parse(address, port);
	char last = 0;

	for (;;) {
		int one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		char letter = 0;

		if (one < 0)
			die("socket");
		if (connect(one, (void *)&to, sizeof to) == 0 && read(one, &letter, 1) == 1 &&
		    letter != last) {
			printf("%c %lld\n", letter, (long long)now_ns());
			last = letter;
		}
		close(one);
		nanosleep(&gap, NULL);
	}
}

static void touch(const char *port, char **addresses)
{
	for (; *addresses; addresses++) {
		struct sockaddr_in to = parse(*addresses, port);
		int one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		if (one < 0)
			die("socket");
		if (connect(one, (void *)&to, sizeof to) && errno != EINPROGRESS)
			fprintf(stderr, "probe: connect to %s: %s\n", *addresses, strerror(errno));
		nanosleep(&gap, NULL);
	}
	/* They stay open until the process ends: whoever asks is still there. */
	sleep(1);
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (argc == 4 && !strcmp(argv[1], "serve"))
		serve(argv[2], argv[3]);
	else if (argc == 4 && !strcmp(argv[1], "watch"))
		watch(argv[2], argv[3]);
	else if (argc > 3 && !strcmp(argv[1], "touch"))
		touch(argv[2], argv + 3);
	else
		return 2;
	return 0;
}
