"""Real servers on this machine that take alerts, and do to them what a test says: a webhook and a mail server."""

import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "hunter2-very-secret"


class Target:
    """One address; ``behaviour`` is what the next messages meet, one each, then every one is taken.

    Behaviours: ``take``, ``refuse`` (an error that may go away), ``forbid`` (one that does not), ``slow`` (no answer
    until the test ends), ``drop`` (the connection breaks after reading), ``gateway`` (webhook only).
    """

    address: str

    def __init__(self) -> None:
        self.behaviour: list[str] = []
        self.received: list[tuple[str, str]] = []
        self.attempts = 0
        self.over = threading.Event()

    def next(self) -> str:
        self.attempts += 1
        return self.behaviour.pop(0) if self.behaviour else "take"


@contextmanager
def running_webhook() -> Iterator[Target]:
    target = Target()
    status = {"take": 200, "refuse": 500, "forbid": 403, "gateway": 504, "busy": 429, "moved": 302}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            what = target.next()
            if what in ("slow", "drop"):
                target.received.append((payload["title"], payload["message"]))
            if what == "slow":
                target.over.wait(60)
            if what not in status:
                self.close_connection = True
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                return
            if what == "take":
                target.received.append((payload["title"], payload["message"]))
            self.send_response(status[what])
            # Some servers repeat what they were asked: an error must not quote it.
            said = f"{self.path} {self.headers['Authorization']} {SECRET}".encode()
            self.send_header("Content-Length", str(len(said)))
            self.send_header("Retry-After", "7")
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    target.address = f"json://mia:{SECRET}@127.0.0.1:{server.server_port}/hooks/{SECRET}"
    with _serving(server, target):
        yield target


@contextmanager
def running_mail_server() -> Iterator[Target]:
    target = Target()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")

        def handle(self) -> None:
            self.say("220 mail.example.org")
            while line := self.rfile.readline():
                verb = line[:4].upper().strip()
                if verb == b"DATA":
                    if not self.take_message():
                        return
                elif verb == b"QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 fine")

        def take_message(self) -> bool:
            """Read the message and do as told; False when the connection is to break."""
            self.say("354 go on")
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line)
            what = target.next()
            if what in ("take", "slow", "drop"):
                mail = message_from_bytes(b"".join(lines), policy=policy.default)
                body = mail.get_body(("plain",))
                text = "\n".join(body.get_content().splitlines()) if body else ""
                target.received.append((str(mail["Subject"]), text))
            if what == "slow":
                target.over.wait(60)
            answers = {"take": "250 taken", "refuse": f"451 try later {SECRET}", "forbid": f"554 no {SECRET}"}
            if what in answers:
                self.say(answers[what])
            return what in answers

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    host = f"127.0.0.1:{server.server_address[1]}"
    target.address = f"mailto://{host}?from=board@example.org&to={SECRET}@example.org&mode=insecure"
    with _serving(server, target):
        yield target


@contextmanager
def _serving(server: socketserver.BaseServer, target: Target) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        target.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for(target: Target, attempts: int) -> None:
    """Wait until the target was reached so often."""
    for _ in range(400):
        if target.attempts >= attempts:
            return
        time.sleep(0.05)
    raise AssertionError(f"reached {target.attempts} times, not {attempts}")
