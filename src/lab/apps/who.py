"""A server that says who it is, and what its sockets say about whom it talks to.

who.py NAME PORT [ADDRESS]: for every line it answers one line of JSON. Blocking sockets, a thread each.
"""

import json
import socket
import sys
import threading


def plain(address):
    """IP and port; an IPv4 address in an IPv6 socket as IPv4."""
    ip, port = address[0], address[1]
    return [ip.removeprefix("::ffff:"), port]


def serve(connection, accepted):
    with connection:
        answer = {
            "name": sys.argv[1],
            "accept": plain(accepted),
            "peer": plain(connection.getpeername()),
            "local": plain(connection.getsockname()),
        }
        for line in connection.makefile("r"):
            answer["said"] = line.strip()
            connection.sendall((json.dumps(answer) + "\n").encode())


def main():
    address = sys.argv[3] if len(sys.argv) > 3 else "::"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server(
        (address, int(sys.argv[2])),
        family=family,
        backlog=1024,
        dualstack_ipv6=address == "::",
    ) as server:
        print("listening", flush=True)
        while True:
            connection, accepted = server.accept()
            threading.Thread(target=serve, args=(connection, accepted), daemon=True).start()


main()
