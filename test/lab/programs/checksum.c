/* SPDX-License-Identifier: Apache-2.0 */
/* Sends bytes both ways over many connections and verifies every one of them, at both ends.
 *
 *   checksum serve PORT
 *   checksum run ADDRESS PORT CONNECTIONS LANES MAX_LOG2 SLOW_PERCENT SEED
 *
 * A connection: the client sends a header {seed, bytes up, bytes down}, then both ends send their
 * bytes at once, in writes of random size by send, writev or sendfile, and half-close. The server
 * answers the client's end of stream with its verdict (8 bytes), so the client knows what the
 * server saw. Sockets are non-blocking; SLOW_PERCENT of the readers pause between reads. `run`
 * prints one JSON object and exits 1 when any byte was lost, reordered or duplicated, or a
 * connection made no progress for 20 s.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 16, STALL_MS = 20000, VERDICT_OK = 0x600d };

/* All data is a window of one pseudo-random block, so sender and receiver agree by offset alone. */
enum { BLOCK = 1 << 23 };
static uint8_t *block;
static int block_fd;

struct header {
	uint64_t seed, up, down;
};

struct way {
	uint64_t offset, left; /* position in the block, bytes still to go */
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static uint64_t next(uint64_t *state)
{
	return mix(*state += 0x9e3779b97f4a7c15ULL);
}

static void make_block(void)
{
	uint64_t state = 42;

	block_fd = memfd_create("block", 0);
	if (block_fd < 0 || ftruncate(block_fd, 2 * BLOCK))
		exit(1);
	block = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, block_fd, 0);
	for (size_t i = 0; i < BLOCK; i += 8) {
		uint64_t word = next(&state);
		memcpy(block + i, &word, 8);
		memcpy(block + BLOCK + i, &word, 8);
	}
}

static size_t at_most(uint64_t left, size_t wanted)
{
	return left < wanted ? left : wanted;
}

/* One write of random size and kind. Returns 1 when it moved bytes, 0 to wait, -1 when the
 * connection broke. */
static int write_some(int fd, struct way *out, uint64_t *random)
{
	uint64_t r = next(random);
	size_t size = at_most(out->left, 1 + next(random) % (1ULL << (1 + r % 18)));
	uint8_t *data = block + out->offset % BLOCK;
	ssize_t n;

	if ((r >> 20) % 8 == 0) {
		off_t from = out->offset % BLOCK;
		n = sendfile(fd, block_fd, &from, size);
	} else if ((r >> 20) % 8 == 1) {
		struct iovec parts[2] = { { data, size / 2 }, { data + size / 2, size - size / 2 } };
		n = writev(fd, parts, 2);
	} else {
		n = send(fd, data, size, MSG_NOSIGNAL);
	}
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	out->offset += n;
	out->left -= n;
	return 1;
}

/* Returns bytes read, 0 at the end of the stream, -1 to wait, -2 when broken, -3 on a wrong
 * byte. */
static ssize_t read_some(int fd, struct way *in)
{
	static _Thread_local uint8_t got[CHUNK];
	ssize_t n = recv(fd, got, at_most(in->left, CHUNK), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -1 : -2;
	if (n > 0 && memcmp(got, block + in->offset % BLOCK, n))
		return -3;
	in->offset += n;
	in->left -= n;
	return n;
}

/* Moves both ways until each is done. NULL, or what went wrong. The verdict is left to the
 * caller. */
static const char *exchange(int fd, struct way out, struct way in, uint64_t random, int slow)
{
	int write_ready = 1, shut = 0;

	while (out.left || in.left || !shut) {
		int moved = 0;
		if (out.left && write_ready) {
			int r = write_some(fd, &out, &random);
			if (r < 0)
				return errno == ECONNRESET ? "reset while writing" : strerror(errno);
			moved |= write_ready = r;
		}
		if (!out.left && !shut && in.left == 0) {
			shut = 1; /* the last to stop sending: the caller shuts down */
			break;
		}
		if (in.left) {
			ssize_t n = read_some(fd, &in);
			if (n == 0)
				return "end of stream too early";
			if (n == -2)
				return "read failed";
			if (n == -3)
				return "wrong byte";
			moved |= n > 0;
			if (slow && n > 0)
				usleep(next(&random) % 2000);
		}
		if (!moved) {
			struct pollfd p = { fd, (in.left ? POLLIN : 0) | (out.left ? POLLOUT : 0), 0 };
			if (poll(&p, 1, STALL_MS) == 0)
				return in.left ? "stalled while reading" : "stalled while writing";
			write_ready = 1;
		}
	}
	return NULL;
}

static int read_exactly(int fd, void *to, size_t length)
{
	uint8_t *at = to;

	while (length) {
		ssize_t n = recv(fd, at, length, 0);
		struct pollfd p = { fd, POLLIN, 0 };
		if (n > 0) {
			at += n;
			length -= n;
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR) || poll(&p, 1, STALL_MS) == 0) {
			return -1;
		}
	}
	return 0;
}

static void non_blocking(int fd)
{
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct header h;
	uint64_t verdict = VERDICT_OK;

	non_blocking(fd);
	if (!read_exactly(fd, &h, sizeof h)) {
		struct way in = { h.seed, h.up }, out = { h.seed >> 8, h.down };
		uint8_t extra;
		const char *error = exchange(fd, out, in, h.seed + 1, (h.seed >> 60) == 0);
		struct pollfd p = { fd, POLLIN, 0 };
		while (!error && recv(fd, &extra, 1, 0) != 0) {
			if (errno != EAGAIN || poll(&p, 1, STALL_MS) == 0)
				error = "no end of stream, or bytes too many";
		}
		if (error) {
			/* Not a verdict in the middle of the stream, where it would be taken for wrong
			 * bytes. */
			struct linger at_once = { 1, 0 };
			fprintf(stderr, "server: %s\n", error);
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
		} else {
			(void)!send(fd, &verdict, sizeof verdict, MSG_NOSIGNAL);
		}
	}
	close(fd);
	return NULL;
}

static _Noreturn void serve(int port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int one = 1, off = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 18);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(fd, (void *)&any, sizeof any) || listen(fd, 4096)) {
		perror("listen");
		exit(1);
	}
	puts("{\"ready\":true}");
	fflush(stdout);
	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };
		pthread_t thread;
		int c;
		poll(&p, 1, -1);
		c = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
		if (c >= 0 && pthread_create(&thread, &attr, serve_one, (void *)(intptr_t)c))
			close(c);
	}
}

static struct sockaddr_storage target;
static socklen_t target_length;
static atomic_long started, finished, failures;
static atomic_ullong total_bytes;
static long connections;
static int max_log2, slow_percent;
static uint64_t base_seed;

static const char *one_connection(uint64_t seed)
{
	uint64_t random = seed, verdict = 0;
	struct header h = { mix(seed), 0, 0 };
	struct way out, in;
	const char *error;
	int soft = 0, fd = socket(target.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof soft;
	struct pollfd p = { fd, POLLOUT, 0 };

	h.up = next(&random) % (1ULL << (next(&random) % (max_log2 + 1)));
	h.down = next(&random) % (1ULL << (next(&random) % (max_log2 + 1)));
	if (connect(fd, (void *)&target, target_length) && errno != EINPROGRESS) {
		close(fd);
		return "connect failed";
	}
	poll(&p, 1, STALL_MS);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &soft, &size) || soft) {
		close(fd);
		return strerror(soft);
	}
	non_blocking(fd);
	out = (struct way){ h.seed, h.up };
	in = (struct way){ h.seed >> 8, h.down };
	error = send(fd, &h, sizeof h, MSG_NOSIGNAL) == sizeof h ? NULL : strerror(errno);
	if (!error)
		error = exchange(fd, out, in, random, (int)(next(&random) % 100) < slow_percent);
	if (!error) {
		shutdown(fd, SHUT_WR);
		if (read_exactly(fd, &verdict, sizeof verdict))
			error = "no verdict";
		else if (verdict != VERDICT_OK)
			error = "the server saw wrong bytes";
	}
	close(fd);
	atomic_fetch_add(&total_bytes, h.up + h.down);
	return error;
}

static void *lane(void *arg)
{
	long i;

	(void)arg;
	while ((i = atomic_fetch_add(&started, 1)) < connections) {
		const char *error = one_connection(base_seed + (uint64_t)i * 1000003);
		if (error) {
			if (atomic_fetch_add(&failures, 1) < 20)
				fprintf(stderr, "connection %ld (seed %llu): %s\n", i,
					(unsigned long long)base_seed, error);
		}
		atomic_fetch_add(&finished, 1);
	}
	return NULL;
}

static int run(char **argv)
{
	struct sockaddr_in *v4 = (void *)&target;
	struct sockaddr_in6 *v6 = (void *)&target;
	int lanes = atoi(argv[3]);
	pthread_t *threads = calloc(lanes, sizeof *threads);

	if (inet_pton(AF_INET, argv[0], &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(atoi(argv[1]));
		target_length = sizeof *v4;
	} else if (inet_pton(AF_INET6, argv[0], &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(atoi(argv[1]));
		target_length = sizeof *v6;
	} else {
		return 2;
	}
	connections = atol(argv[2]);
	max_log2 = atoi(argv[4]);
	slow_percent = atoi(argv[5]);
	base_seed = strtoull(argv[6], NULL, 10);
	for (int i = 0; i < lanes; i++)
		pthread_create(&threads[i], NULL, lane, NULL);
	for (int i = 0; i < lanes; i++)
		pthread_join(threads[i], NULL);
	printf("{\"connections\":%ld,\"bytes\":%llu,\"failed\":%ld}\n", finished,
	       (unsigned long long)total_bytes, (long)failures);
	return failures ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct rlimit limit;

	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	make_block();
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(atoi(argv[2]));
	if (argc == 9 && !strcmp(argv[1], "run"))
		return run(argv + 2);
	fputs("usage: checksum serve PORT\n"
	      "       checksum run ADDRESS PORT CONNECTIONS LANES MAX_LOG2 SLOW% SEED\n",
	      stderr);
	return 2;
}
