"""Conversations of every shape over TCP.

shapes.py serve PORT                 one server, on PORT, PORT + 1 (greets) and PORT + 2 (both send)
shapes.py greet|half-close|reset|server-close|both|abort ADDRESS PORT
Prints one line of JSON about how the conversation went.
"""

import json
import socket
import struct
import sys
import threading
import time

BIG = 4 * 1024 * 1024


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def drain(connection):
    total = 0
    while data := connection.recv(65536):
        total += len(data)
    return total


def receive(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            break
        data += more
    return data


def answer(connection):
    kind = connection.recv(1)
    if kind == b"h":  # reads all, and answers after the client's FIN
        connection.sendall(b"%d\n" % drain(connection))
        connection.close()
    elif kind == b"r":
        reset(connection)
    elif kind == b"c":  # says all it has and closes at once; the client reads late
        connection.sendall(b"x" * BIG)
        connection.close()
    elif kind == b"a":  # waits for the client's end, whatever it is
        try:
            print(json.dumps({"saw": "fin", "bytes": drain(connection)}), flush=True)
        except ConnectionResetError:
            print(json.dumps({"saw": "reset"}), flush=True)


def greet(connection):
    connection.sendall(b"hello\n")
    connection.sendall(receive(connection, 5))
    connection.close()


def both(connection):
    """Both sides send at once, more than any buffer holds."""
    sender = threading.Thread(target=lambda: (connection.sendall(b"x" * BIG), connection.shutdown(socket.SHUT_WR)))
    sender.start()
    got = drain(connection)
    sender.join()
    return got


def listen(port, handle):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    def accept():
        while True:
            connection, _ = server.accept()
            threading.Thread(target=handle, args=(connection,), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def main():
    role, *rest = sys.argv[1:]
    if role == "serve":
        port = int(rest[0])
        listen(port, answer)
        listen(port + 1, greet)
        listen(port + 2, both)
        print("listening", flush=True)
        threading.Event().wait()
    address, port = rest[0], int(rest[1])
    offset = {"greet": 1, "both": 2}.get(role, 0)
    client = socket.create_connection((address, port + offset), timeout=20)
    result = {"role": role}
    if role == "greet":
        start = time.monotonic()
        result["first"] = receive(client, 6).decode()
        result["us"] = round((time.monotonic() - start) * 1e6)
        client.sendall(b"thank")
        result["echo"] = receive(client, 5).decode()
        result["end"] = client.recv(1) == b""
    elif role == "half-close":
        client.sendall(b"h" + b"y" * BIG)
        client.shutdown(socket.SHUT_WR)
        result["counted"] = int(client.makefile().readline())
        result["expected"] = BIG
    elif role == "reset":
        client.sendall(b"r")
        try:
            result["got"] = client.recv(1).decode()
        except ConnectionResetError:
            result["got"] = "reset"
    elif role == "server-close":
        client.sendall(b"c")
        time.sleep(0.2)
        result["got"] = drain(client)
        result["expected"] = BIG
    elif role == "both":
        result["got"] = both(client)
        result["expected"] = BIG
    elif role == "abort":
        client.sendall(b"a")
        time.sleep(0.1)
        reset(client)
    print(json.dumps(result), flush=True)


main()
