"""A git repository behind a user and a password, served by git's own CGI program on loopback."""

from __future__ import annotations

import http.server
import os
import subprocess
from pathlib import Path

from tests.integration.loopback import LoopbackServer

BACKEND = """
import os, zipfile
INFO = "t_git-1.0.dist-info"
FILES = {
    "t_git.py": "",
    f"{INFO}/METADATA": "Metadata-Version: 2.1\\nName: t-git\\nVersion: 1.0\\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
}
def build_wheel(directory, settings=None, metadata=None):
    name = "t_git-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        for path, text in FILES.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{INFO}/RECORD", "".join(f"{path},,\\n" for path in [*FILES, f"{INFO}/RECORD"]))
    return name
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "t-git"
version = "1.0"
"""


def make_repository(root: Path) -> None:
    """A project t-git as the bare repository ``x.git`` below ``root``."""
    work = root / "work"
    work.mkdir(parents=True)
    (work / "backend.py").write_text(BACKEND)
    (work / "pyproject.toml").write_text(PROJECT)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], cwd=work, check=True)
    subprocess.run([*git, "clone", "-q", "--bare", str(work), str(root / "x.git")], check=True)


class GitServer(LoopbackServer):
    """The server, as a context; ``authorization`` is what it wants to be sent."""

    def __init__(self, root: Path, authorization: str) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer()

            def do_POST(self) -> None:
                self.answer()

            def log_message(self, format: str, *args: object) -> None:
                del format, args

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Authorization") != authorization:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="git"')
                    self.end_headers()
                    return
                path, _mark, query = self.path.partition("?")
                environment = {
                    "PATH": os.environ["PATH"],
                    "GIT_PROJECT_ROOT": str(root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "REQUEST_METHOD": self.command,
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "CONTENT_TYPE": self.headers.get("Content-Type") or "",
                    "CONTENT_LENGTH": str(len(body)),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
                }
                done = subprocess.run(
                    ["git", "http-backend"],
                    input=body,
                    env=environment,
                    capture_output=True,
                    check=True,
                )
                head, _blank, content = done.stdout.partition(b"\r\n\r\n")
                fields = [line.split(": ", 1) for line in head.decode().split("\r\n")]
                told = next((value for name, value in fields if name == "Status"), "200 OK")
                self.send_response(int(told.split()[0]))
                for name, value in fields:
                    if name != "Status":
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        super().__init__(Handler)
