"""A model hub of one model, for the real client: `python3 hub.py PORT` prints its process once it answers.

It knows who a token belongs to ("hf_NAME" is NAME's) and serves the files of the lab's model. The headers are
those that huggingface_hub wants of a file: its ETag and the commit it is from.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODEL = "lab/tiny-sentiment"
FILES = Path("/srv/llmfleet-lab/models/tiny-sentiment")


class Hub(BaseHTTPRequestHandler):
    """Answers the two requests that the tests lead to."""

    def do_HEAD(self) -> None:
        """A file's headers."""
        self.answer(body=False)

    def do_GET(self) -> None:
        """A file, or whose token it is."""
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        """Sends what the path names, else 404."""
        path = self.path.partition("?")[0]
        before, _, name = path.rpartition("/")
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        data, more = b"", {}
        if path == "/api/whoami-v2" and token.startswith("hf_"):
            who = token.removeprefix("hf_")
            access = {"displayName": f"{who}-laptop", "role": "read"}
            data = json.dumps(
                {"type": "user", "name": who, "auth": {"accessToken": access}}
            ).encode()
        elif before == f"/{MODEL}/resolve/main" and (FILES / name).is_file():
            data = (FILES / name).read_bytes()
            more = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": "0" * 40}
        self.send_response(200 if data else 404)
        for key, value in {"Content-Length": str(len(data)), **more}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing: nobody reads it."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hub)
    child = os.fork()
    if child:
        print(child)
    else:
        # Whoever started this must not wait for the output to end.
        os.setsid()
        for stream in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        server.serve_forever()
