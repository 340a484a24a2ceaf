"""What root with NET_ADMIN and NET_RAW may try inside a pod. Prints one line of JSON.

hostile.py listeners            talks to every loopback listener of the pod that is not the app's
hostile.py share                tries to bind beside those listeners
hostile.py spread ADDRESS       connects to its own address on the ports that interception uses
hostile.py forge ADDRESS TARGET PORT   takes ADDRESS, and asks TARGET from there
hostile.py leave                tries to get out of the mesh
"""

import ctypes
import json
import os
import socket
import subprocess
import sys

SPREAD = range(1, 1024)
BPF_MAP_CREATE = 0
SYS_BPF = 321


def kept_ports():
    """Ports of listeners on loopback, by /proc: the pod's own app listens elsewhere."""
    ports = []
    with open("/proc/net/tcp") as table:
        for line in list(table)[1:]:
            local, state = line.split()[1], line.split()[3]
            address, port = local.split(":")
            if state == "0A" and address == "0100007F":
                ports.append(int(port, 16))
    return ports


def talk(address, port):
    """What an answer looks like from here: bytes, reset, refused, timeout."""
    try:
        with socket.create_connection((address, port), timeout=3) as connection:
            connection.sendall(b"hello\n")
            return "answered" if connection.recv(1) else "closed"
    except ConnectionResetError:
        return "reset"
    except OSError as error:
        return type(error).__name__


def share(port, address):
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            thief.bind((address, port))
            thief.listen()
            return "bound"
        except OSError as error:
            return type(error).__name__


def forge(address, target, port):
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    try:
        with socket.create_connection((target, port), timeout=3, source_address=(address, 0)) as connection:
            connection.sendall(b"who\n")
            line = connection.makefile().readline()
            return json.loads(line) if line else "closed"
    except OSError as error:
        return type(error).__name__
    finally:
        subprocess.run(["ip", "address", "del", f"{address}/32", "dev", "lo"], check=True)


def leave():
    tried = {}
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = ctypes.create_string_buffer(128)
    tried["bpf"] = libc.syscall(SYS_BPF, BPF_MAP_CREATE, attributes, 128)
    tried["pins"] = sorted(os.listdir("/sys/fs/bpf")) if os.path.isdir("/sys/fs/bpf") else []
    tried["netns"] = libc.unshare(0x40000000)
    mounted = libc.mount(b"none", b"/mnt", b"cgroup2", 0, None)
    tried["cgroup2"] = mounted
    # Its own namespace it may break as it likes; rules there change nothing of the hooks.
    rules = subprocess.run(["nft", "add table inet x; add chain inet x y; flush ruleset"], check=False)
    tried["nft"] = rules.returncode
    return tried


def main():
    verb, *rest = sys.argv[1:]
    if verb == "listeners":
        result = {port: talk("127.0.0.1", port) for port in kept_ports()}
    elif verb == "share":
        result = {port: [share(port, "127.0.0.1"), share(port, "0.0.0.0")] for port in kept_ports()}
    elif verb == "spread":
        results = [talk(rest[0], port) for port in SPREAD]
        result = {kind: results.count(kind) for kind in set(results)}
    elif verb == "forge":
        result = forge(rest[0], rest[1], int(rest[2]))
    else:
        result = leave()
    print(json.dumps(result), flush=True)


main()
