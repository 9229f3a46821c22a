"""Real servers on this machine that take alerts, and do to them what a test says: a webhook and a mail server."""

import json
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

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
def running_webhook(certificate: Path | None = None) -> Iterator[Target]:
    """Run a webhook; with a ``certificate`` (and its key, in one file) it speaks TLS, and nobody vouches for it."""
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
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "jsons" if certificate else "json"
    target.address = f"{scheme}://mia:{SECRET}@127.0.0.1:{server.server_port}/hooks/{SECRET}"
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


def self_signed(path: Path) -> Path:
    """Write a key and a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    serial, until = x509.random_serial_number(), now + timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), serial, now, until)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + made.sign(key, SHA256()).public_bytes(Encoding.PEM))
    return path


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
