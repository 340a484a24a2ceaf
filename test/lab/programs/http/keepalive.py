"""Python's own client: downloads and uploads in turn over one connection. As compat/curl.py."""
import hashlib
import http.client
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "compat"))
from pattern import pattern, report  # noqa: E402


def run(address, port, size, count):
    connection = http.client.HTTPConnection(address, port, timeout=60)
    connection.connect()
    opened = connection.sock
    data = pattern(size)
    digest = hashlib.sha256(data).hexdigest()

    def said(method, path, body=None):
        connection.request(method, path, body=body)
        return connection.getresponse().read()

    def check(_):
        if said("GET", f"/bytes/{size}") != data:
            return "a download has other bytes"
        if said("POST", "/sum", iter([data[:9], data[9:]])).decode() != digest:
            return "an upload in chunks arrived as another"
        return None if connection.sock is opened else "the connection was not kept"

    report(count, check)


run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
