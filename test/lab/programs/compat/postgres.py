"""PostgreSQL, and psql that copies a table in and out.

postgres.py serve PORT BIN FOLDER | run ADDRESS PORT BYTES COUNT
"""
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

from pattern import ended_well, pattern, report

# The server refuses to be root.
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def serve(port, programs, folder):
    quick = ["-c", "fsync=off", "-c", "unix_socket_directories=", "-c", "listen_addresses=*"]
    data = Path(folder)
    data.mkdir()
    ended_well(["chown", "postgres:postgres", folder])
    init = [f"{programs}/initdb", "-D", folder, "-A", "trust", "-N", "--locale=C"]
    ended_well([*AS_POSTGRES, *init], cwd="/")
    with open(data / "pg_hba.conf", "a") as rules:
        rules.write("host all all all trust\n")
    server = subprocess.Popen(
        [*AS_POSTGRES, f"{programs}/postgres", "-D", folder, "-p", port, *quick],
        cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    while subprocess.call(["pg_isready", "-q", "-h", "127.0.0.1", "-p", port]):
        if server.poll() is not None:
            sys.exit(f"postgres ended with {server.returncode}")
        time.sleep(0.02)
    print(json.dumps({"ready": True}), flush=True)
    server.wait()


def run(address, port, size, count):
    server = ["-h", address, "-p", port, "-U", "postgres"]
    psql = ["psql", "-X", "-q", *server, "-v", "ON_ERROR_STOP=1"]
    text = pattern(120).hex()
    rows = "".join(f"{i}\t{i * 7919 % 1000003}:{text}\n" for i in range(size // 250)).encode()
    digest = hashlib.sha256(rows).hexdigest()
    statements = [
        "CREATE TEMP TABLE t (id int, body text)",
        "\\copy t FROM pstdin",
        "\\copy (SELECT * FROM t ORDER BY id) TO pstdout",
    ]
    argv = [*psql, *(word for one in statements for word in ("-c", one))]

    def check(_):
        got = ended_well(argv, input=rows)
        return None if hashlib.sha256(got).hexdigest() == digest else f"{len(got)} other bytes back"

    report(count, check)


if sys.argv[1] == "serve":
    serve(*sys.argv[2:])
else:
    run(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
