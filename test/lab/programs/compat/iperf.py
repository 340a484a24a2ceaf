"""iperf3, both directions, with several streams at once; it has no check of bytes of its own."""
import json
import subprocess
import sys
import time

from pattern import report


def one_test(argv):
    """Between two tests the server does not listen for a moment; then no byte has been moved."""
    deadline = time.monotonic() + 20
    while True:
        done = subprocess.run(argv, capture_output=True, timeout=60)
        said = json.loads(done.stdout)
        if "error" not in said or said["intervals"] or time.monotonic() > deadline:
            return said
        time.sleep(0.02)


def run(address, port, size, count):
    client = ["iperf3", "-c", address, "-p", str(port), "-J", "-P", "2", "-n", str(size)]

    def check(_):
        for direction in [], ["-R"], ["--bidir"]:
            said = one_test(client + direction)
            if "error" in said:
                return f"{direction}: {said['error']}"
            # A test ends when one way has moved all; what is on its way then is not received.
            moved = [part["bytes"] for name, part in said["end"].items() if name.startswith("sum_")]
            if max(moved, default=0) < size:
                return f"{direction}: {moved} bytes of {size}"
        return None

    report(count, check)


run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
