/* SPDX-License-Identifier: Apache-2.0 */
/* TLS whose records the kernel makes and reads, where it grants that; OpenSSL does it else:
 *
 *   ktls KIND serve PORT | ktls KIND run ADDRESS PORT BYTES COUNT
 *   blocking  connects and accepts in the blocking way, and asks and answers in turns
 *   events    never blocks, and writes while it reads
 *
 * Connections take turns with TLS 1.2 and 1.3, by a key that both know. What the kernel encrypts is
 * sent by sendfile(2), which is what programs want kTLS for. Servers print a line for each
 * connection, and clients their report, with how many had the kernel encrypt: {"kernel":n}. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 1 << 14, KEY_BYTES = 32, STALL_MS = 60000 };

static int blocking;
static SSL_CTX *context;
static uint8_t *data;
static size_t data_length;
static int data_file;

static unsigned take_key(unsigned char *key, unsigned room)
{
	if (room < KEY_BYTES)
		return 0;
	memset(key, 0x5a, KEY_BYTES);
	return KEY_BYTES;
}

static unsigned client_key(SSL *ssl, const char *hint, char *identity, unsigned identity_room,
			   unsigned char *key, unsigned room)
{
	(void)ssl, (void)hint;
	snprintf(identity, identity_room, "matrix");
	return take_key(key, room);
}

static unsigned server_key(SSL *ssl, const char *identity, unsigned char *key, unsigned room)
{
	(void)ssl, (void)identity;
	return take_key(key, room);
}

static void make_context(int server)
{
	context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	if (!context || !SSL_CTX_set_cipher_list(context, "PSK-AES128-GCM-SHA256") ||
	    !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256")) {
		ERR_print_errors_fp(stderr);
		exit(1);
	}
	SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_psk_client_callback(context, client_key);
	SSL_CTX_set_psk_server_callback(context, server_key);
}

static int kernel_sends(SSL *ssl)
{
	return BIO_get_ktls_send(SSL_get_wbio(ssl)) > 0;
}

/* What to wait for after a call that could not go on; 0 when it failed for good. */
static short wants(SSL *ssl, int result)
{
	switch (SSL_get_error(ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return POLLIN;
	case SSL_ERROR_WANT_WRITE:
		return POLLOUT;
	default:
		return 0;
	}
}

static int wait_for(SSL *ssl, short events)
{
	struct pollfd p = { SSL_get_fd(ssl), events, 0 };
	/* A blocking socket that says "again" is what must never be seen. */
	return !blocking && events && poll(&p, 1, STALL_MS) == 1;
}

static const char *say_end(SSL *ssl)
{
	int result;

	while ((result = SSL_shutdown(ssl)) < 0)
		if (!wait_for(ssl, wants(ssl, result)))
			return "the end could not be sent";
	return NULL;
}

static const char *write_all(SSL *ssl, const uint8_t *from, size_t length)
{
	while (length) {
		int n = SSL_write(ssl, from, length);
		if (n > 0) {
			from += n;
			length -= n;
		} else if (!wait_for(ssl, wants(ssl, n))) {
			return "write";
		}
	}
	return NULL;
}

/* Until the client's end. */
static const char *echo(SSL *ssl)
{
	uint8_t buffer[CHUNK];
	const char *error = NULL;

	while (!error) {
		int n = SSL_read(ssl, buffer, sizeof buffer);
		if (n > 0)
			error = write_all(ssl, buffer, n);
		else if (SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN)
			return say_end(ssl);
		else if (!wait_for(ssl, wants(ssl, n)))
			error = "read";
	}
	return error;
}

static void *serve_one(void *argument)
{
	int fd = (int)(intptr_t)argument, result;
	SSL *ssl = SSL_new(context);
	const char *error = NULL;

	SSL_set_fd(ssl, fd);
	while (!error && (result = SSL_accept(ssl)) != 1)
		if (!wait_for(ssl, wants(ssl, result)))
			error = "handshake";
	if (!error) {
		printf("{\"kernel\":%d}\n", kernel_sends(ssl));
		error = echo(ssl);
	}
	if (error) {
		fprintf(stderr, "server: %s: %s\n", error, strerror(errno));
		ERR_print_errors_fp(stderr);
	}
	SSL_free(ssl);
	close(fd);
	return NULL;
}

static void serve(int port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int mode = blocking ? 0 : SOCK_NONBLOCK;
	int one = 1, off = 0, fd = socket(AF_INET6, SOCK_STREAM | mode, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(fd, (void *)&any, sizeof any) || listen(fd, 512)) {
		perror("listen");
		exit(1);
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("{\"ready\":true}");
	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };
		pthread_t thread;
		poll(&p, 1, -1);
		int c = accept4(fd, NULL, NULL, mode);
		if (c >= 0 && !pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)c))
			pthread_detach(thread);
	}
}

/* As much as goes at once, of at most `most` bytes. */
static int send_some(SSL *ssl, size_t sent, size_t most)
{
	if (kernel_sends(ssl))
		return SSL_sendfile(ssl, data_file, sent, most, 0);
	return SSL_write(ssl, data + sent, most);
}

/* Sends and reads everything, and compares. Blocking ends send only when all before is back. */
static const char *exchange(SSL *ssl)
{
	size_t sent = 0, got = 0;
	const char *error;

	for (;;) {
		uint8_t buffer[CHUNK];
		short events = 0;
		int n, moved = 0;
		if (sent < data_length && !(blocking && got < sent)) {
			size_t left = data_length - sent;
			n = send_some(ssl, sent, left < CHUNK ? left : CHUNK);
			moved = n > 0;
			sent += moved ? n : 0;
			events = moved ? 0 : wants(ssl, n);
			if (!moved && !events)
				return "write";
			if (sent == data_length && (error = say_end(ssl)))
				return error;
		}
		n = SSL_read(ssl, buffer, sizeof buffer);
		if (n <= 0 && SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN)
			return got == data_length ? NULL : "end of stream too early";
		if (n > 0) {
			if (got + n > data_length || memcmp(buffer, data + got, n))
				return "wrong byte";
			got += n;
		} else if (!wants(ssl, n)) {
			return "read";
		} else if (!moved && !wait_for(ssl, events | wants(ssl, n))) {
			return blocking ? "EAGAIN from a blocking socket" : "nothing moves";
		}
	}
}

static const char *connect_to(int fd, const struct sockaddr_storage *to, socklen_t length)
{
	struct pollfd p = { fd, POLLOUT, 0 };
	int failed = connect(fd, (const void *)to, length);

	if (failed && (blocking || errno != EINPROGRESS || poll(&p, 1, STALL_MS) != 1))
		return "connect";
	return NULL;
}

static const char *one(const struct sockaddr_storage *to, socklen_t length, int version,
		       int *kernel)
{
	int fd = socket(to->ss_family, SOCK_STREAM | (blocking ? 0 : SOCK_NONBLOCK), 0), result;
	const char *error = connect_to(fd, to, length);
	SSL *ssl = SSL_new(context);

	SSL_set_fd(ssl, fd);
	SSL_set_min_proto_version(ssl, version);
	SSL_set_max_proto_version(ssl, version);
	while (!error && (result = SSL_connect(ssl)) != 1)
		if (!wait_for(ssl, wants(ssl, result)))
			error = "handshake";
	if (!error) {
		*kernel += kernel_sends(ssl);
		error = exchange(ssl);
	}
	if (error)
		ERR_print_errors_fp(stderr);
	SSL_free(ssl);
	close(fd);
	return error;
}

static void make_data(size_t length)
{
	data_length = length;
	data_file = memfd_create("data", 0);
	if (data_file < 0 || ftruncate(data_file, length + 1)) {
		perror("memfd_create");
		exit(1);
	}
	data = mmap(NULL, length + 1, PROT_READ | PROT_WRITE, MAP_SHARED, data_file, 0);
	for (size_t i = 0; i < length; i++)
		data[i] = i * 31 + (i >> 8);
}

static int run(char **argv)
{
	struct sockaddr_storage to = { 0 };
	struct sockaddr_in *v4 = (void *)&to;
	struct sockaddr_in6 *v6 = (void *)&to;
	int count = atoi(argv[3]), is_v4 = inet_pton(AF_INET, argv[0], &v4->sin_addr) == 1;
	int failed = 0, kernel = 0;
	const char *last = NULL;

	to.ss_family = is_v4 ? AF_INET : AF_INET6;
	v4->sin_port = htons(atoi(argv[1]));
	if (!is_v4 && inet_pton(AF_INET6, argv[0], &v6->sin6_addr) != 1)
		return 2;
	make_data(strtoul(argv[2], NULL, 10));
	for (int i = 0; i < count; i++) {
		int version = i % 2 ? TLS1_3_VERSION : TLS1_2_VERSION;
		const char *error = one(&to, is_v4 ? sizeof *v4 : sizeof *v6, version, &kernel);
		if (error) {
			last = error;
			failed++;
		}
	}
	printf("{\"ok\":%d,\"failed\":%d,\"kernel\":%d,", count - failed, failed, kernel);
	printf("\"errors\":[");
	printf(last ? "\"%s\"]}\n" : "]}\n", last);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	blocking = argc > 1 && !strcmp(argv[1], "blocking");
	if (argc == 4 && !strcmp(argv[2], "serve")) {
		make_context(1);
		serve(atoi(argv[3]));
	}
	if (argc == 7 && !strcmp(argv[2], "run")) {
		make_context(0);
		return run(argv + 3);
	}
	fputs("usage: ktls blocking|events serve PORT\n"
	      "       ktls blocking|events run ADDRESS PORT BYTES COUNT\n",
	      stderr);
	return 2;
}
