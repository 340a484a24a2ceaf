"""Blocking sockets; the client reads in one thread while it writes in another."""
import json
import socket
import sys
import threading


def serve(port):
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(("::", port))
    listener.listen(512)
    print(json.dumps({"ready": True}), flush=True)

    def echo(connection):
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError as error:
            print("server:", repr(error), file=sys.stderr, flush=True)
        connection.close()

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=echo, args=(connection,), daemon=True).start()


def one(address, port, data):
    connection = socket.create_connection((address, port))
    failure = []

    def write():
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError as error:
            failure.append("writer: " + repr(error))

    writer = threading.Thread(target=write)
    writer.start()
    got = bytearray()
    try:
        while part := connection.recv(65536):
            got += part
    except OSError as error:
        failure.append("reader: " + repr(error))
    writer.join()
    connection.close()
    if not failure and bytes(got) != data:
        failure.append(f"sent {len(data)} bytes, got {len(got)}, or others")
    return failure


def run(address, port, size, count):
    block = bytes((i * 31 + (i >> 8)) & 255 for i in range(65536 + 251))
    data = (block * (size // len(block) + 1))[:size]
    errors = [e for _ in range(count) for e in one(address, port, data)[:1]]
    print(json.dumps({"ok": count - len(errors), "failed": len(errors), "errors": errors[:5]}))


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
