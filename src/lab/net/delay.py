"""Carries Ethernet frames between two interfaces, each a while later: what netem does, on any kernel.

delay.py INTERFACE INTERFACE MILLISECONDS
"""

import collections
import select
import socket
import sys
import time

# linux/if_packet.h and asm-generic/socket.h; the socket module does not have them.
SO_RCVBUFFORCE = 33
SOL_PACKET = 263
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
ETH_P_ALL = 3

# With the virtio header, segments that are not cut and checksums that are not made yet pass as they are.
LARGEST_FRAME = 10 + 14 + 65536
# Beyond it frames are lost, as in the buffer of a real link.
MOST_QUEUED = 20000


def open_interface(name):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    sock.bind((name, ETH_P_ALL))
    sock.setblocking(False)
    return sock


def receive_all(sock, queue, delay):
    while True:
        try:
            frame = sock.recv(LARGEST_FRAME)
        except BlockingIOError:
            return
        if len(queue) < MOST_QUEUED:
            queue.append((time.monotonic() + delay, frame))


def send_due(sock, queue):
    now = time.monotonic()
    while queue and queue[0][0] <= now:
        _, frame = queue.popleft()
        try:
            sock.send(frame)
        except OSError:
            # A full device queue loses the frame, and so does a link that is down.
            pass


def main():
    left, right = (open_interface(name) for name in sys.argv[1:3])
    delay = float(sys.argv[3]) / 1000
    # Frames that came in at the key wait to go out at the value's socket.
    lanes = {
        left: (right, collections.deque()),
        right: (left, collections.deque()),
    }
    print("carrying", flush=True)
    while True:
        due = [queue[0][0] for _, queue in lanes.values() if queue]
        wait = max(0, min(due) - time.monotonic()) if due else None
        ready, _, _ = select.select(list(lanes), [], [], wait)
        for sock in ready:
            receive_all(sock, lanes[sock][1], delay)
        for target, queue in lanes.values():
            send_due(target, queue)


main()
