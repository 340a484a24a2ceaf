"""More ways in which root in a pod may try to get around the mesh. Prints one line of JSON.

leave.py options ADDRESS PORT    connects with a mark, and from a port that interception uses
leave.py forge SOURCE TARGET PORT COUNT    sends so many raw SYNs from another pod's address
"""

import json
import random
import socket
import struct
import sys

SO_MARK = 36
SYN = 2


def ask(prepare, target, port):
    """The server's name for it, or the error."""
    with socket.socket() as connection:
        connection.settimeout(5)
        try:
            prepare(connection)
            connection.connect((target, port))
            connection.sendall(b"who\n")
            return json.loads(connection.makefile().readline())["name"]
        except OSError as error:
            return type(error).__name__


def options(target, port):
    def mark(connection):
        connection.setsockopt(socket.SOL_SOCKET, SO_MARK, 0x7FFFFFFF)

    def bind(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.bind(("", 300))

    return {"mark": ask(mark, target, port), "port": ask(bind, target, port)}


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(source, target, port):
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    header = struct.pack(
        "!HHIIBBHHH", random.randrange(1024, 65535), port, random.getrandbits(32), 0, 5 << 4, SYN, 65535, 0, 0
    )
    pseudo = addresses + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(header))
    header = header[:16] + struct.pack("!H", checksum(pseudo + header)) + header[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(header), 0, 0, 64, socket.IPPROTO_TCP, 0)
    return ip + addresses + header


def forge(source, target, port, count):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for _ in range(count):
            raw.sendto(syn(source, target, port), (target, 0))
    return {"sent": count}


def main():
    verb, *rest = sys.argv[1:]
    if verb == "options":
        result = options(rest[0], int(rest[1]))
    else:
        result = forge(rest[0], rest[1], int(rest[2]), int(rest[3]))
    print(json.dumps(result), flush=True)


main()
