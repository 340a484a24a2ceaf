"""Python's http.server: a thread with blocking sockets for each connection. See README.md."""
import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6

from pattern import pattern


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(pattern(int(self.path.split("?")[0].rsplit("/", 1)[1])))

    def do_POST(self):
        digest, left = hashlib.sha256(), int(self.headers["Content-Length"])
        while left and (data := self.rfile.read1(min(left, 65536))):
            digest.update(data)
            left -= len(data)
        self.answer(digest.hexdigest().encode())

    do_PUT = do_POST

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    address_family = AF_INET6
    request_queue_size = 512


if sys.argv[1] == "serve":
    server = Server(("::", int(sys.argv[2])), Handler)
    print(json.dumps({"ready": True}), flush=True)
    server.serve_forever()
