"""curl: downloads and uploads, several at once and several on one connection."""
import hashlib
import sys
import tempfile
from pathlib import Path

from pattern import ended_well, pattern, report

AT_ONCE = 3


def run(address, port, size, count):
    host = f"[{address}]" if ":" in address else address
    url = f"http://{host}:{port}"
    data = pattern(size)
    digest = hashlib.sha256(data).hexdigest()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source"
        source.write_bytes(data)

        def check(_):
            many = ["--parallel", "--parallel-immediate", "-o", f"{folder}/down-#1"]
            ended_well(["curl", "-sSf", *many, f"{url}/bytes/{size}?[1-{AT_ONCE}]"])
            for index in range(1, AT_ONCE + 1):
                if (folder / f"down-{index}").read_bytes() != data:
                    return "a download has other bytes"
            # Twice, so that the second goes over a connection that was kept.
            uploads = ["-T", str(source), f"{url}/sum"] * 2
            sums = ended_well(["curl", "-sSf", *uploads]).decode()
            return None if sums == digest * 2 else f"an upload arrived as {sums}"

        report(count, check)


run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
