"""A client that asks who.py again and again, and prints a line of JSON for each answer.

ask.py ADDRESS PORT [--count N] [--interval-ms N] [--keep] [--timeout-ms N]
  --count 0 is for ever; --keep asks over one connection, else each question has a new one.

{"ok": true, "us": ..., "asked": [ip, port], "peer": getpeername, "local": getsockname, "answer": {...}}
{"ok": false, "us": ..., "asked": [ip, port], "error": "ConnectionRefusedError"}
"""

import argparse
import itertools
import json
import socket
import time


class Talk:
    """One connection."""

    def __init__(self, target, timeout):
        self.socket = socket.create_connection(target, timeout=timeout)
        # The timeout above makes the socket non-blocking underneath: what many programs do.
        self.reader = self.socket.makefile("r")

    def ask(self, number):
        self.socket.sendall(f"{number}\n".encode())
        line = self.reader.readline()
        if not line:
            raise EOFError("closed without an answer")
        return {
            "peer": list(self.socket.getpeername()[:2]),
            "local": list(self.socket.getsockname()[:2]),
            "answer": json.loads(line),
        }

    def close(self):
        self.reader.close()
        self.socket.close()


def once(talk, options, number):
    """Asks, and gives the connection if it may be used again."""
    start = time.monotonic()
    result = {"at": round(time.time() * 1000), "asked": [options.address, options.port]}
    try:
        talk = talk or Talk((options.address, options.port), options.timeout_ms / 1000)
        result.update(ok=True, **talk.ask(number))
    except (OSError, EOFError) as error:
        result.update(ok=False, error=f"{type(error).__name__}: {error}")
    result["us"] = round((time.monotonic() - start) * 1e6)
    print(json.dumps(result), flush=True)
    if talk and options.keep and result["ok"]:
        return talk
    if talk:
        talk.close()
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--interval-ms", type=float, default=0)
    parser.add_argument("--timeout-ms", type=float, default=5000)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    talk = None
    for number in itertools.count() if options.count == 0 else range(options.count):
        talk = once(talk, options, number)
        time.sleep(options.interval_ms / 1000)


main()
