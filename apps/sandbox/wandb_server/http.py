"""The HTTP side: which path answers what, keys, and the faults that tests switch on."""

import base64
import gzip
import json
import socket
import sys
import time
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from apps.sandbox.wandb_server import filestream, pages, schema, seed
from apps.sandbox.wandb_server.context import Context, Options
from apps.sandbox.wandb_server.errors import Refused
from apps.sandbox.wandb_server.faults import EFFECTS, Fault, Faults
from apps.sandbox.wandb_server.lifecycle import mark_lost
from apps.sandbox.wandb_server.resolvers.files import read_file, write_file
from apps.sandbox.wandb_server.store import Store
from apps.sandbox.wandb_server.values import load_dict

JSON = "application/json"
HTML = "text/html; charset=utf-8"
SHORTEST_KEY = 40
Reply = tuple[int, str, bytes]


def json_reply(value: object, status: int = 200) -> Reply:
    """Return a reply that carries JSON."""
    return status, JSON, json.dumps(value, separators=(",", ":")).encode()


class SandboxServer(ThreadingHTTPServer):
    """A W&B-like server on one address; its store outlives it."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], store: Store, options: Options) -> None:
        self.store = store
        self.options = options
        self.faults = Faults()
        super().__init__(address, Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Write a failure to the error stream, except that a client went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """The origin at which this server is reached."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One connection, kept alive over many requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: SandboxServer
    server_version = "sandbox"

    def do_GET(self) -> None:
        """Answer a read."""
        self._serve()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 (the base class's names)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: tests read the counts instead."""

    def _serve(self) -> None:
        self.path = urlsplit(self.path).path
        self.body = self._read_body()
        try:
            reply = self._admin() if self.path.startswith(("/_", "/healthz")) else self._public()
        except Refused as refusal:
            status = refusal.status if refusal.status != 200 else 400
            reply = json_reply(schema.failure(str(refusal)), status)
        except json.JSONDecodeError:
            reply = json_reply(schema.failure("the request is not JSON"), 400)
        except Exception:
            # One bad request must not look like a dead server; its traceback goes to the error stream.
            traceback.print_exc()
            reply = json_reply(schema.failure("internal error"), 500)
        if reply is not None:
            self._send(*reply)

    def _read_body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _send(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _admin(self) -> Reply:
        if self.path == "/healthz":
            return 200, "text/plain", b"ok"
        if not self.server.options.allow_faults:
            raise Refused("this server was not started with --allow-faults", 403)
        action = ADMIN.get((self.command, self.path))
        if action is None:
            raise Refused("no such page", 404)
        return json_reply(action(self) or {})

    def _public(self) -> Reply | None:
        request = load_dict(self.body) if self.path == "/graphql" else {}
        operation = schema.operation_name(request.get("query", ""))
        met = self.server.faults.take(operation, self.path)
        for fault in met:
            if fault.kind not in EFFECTS and self._misbehave(fault):
                return None
        context = self.context(frozenset(fault.kind for fault in met))
        mark_lost(context.store, context.now, context.options.crash_after)
        if self.path == "/graphql":
            self._check_key()
            variables = request.get("variables") or {}
            status, answer = schema.answer(context, request.get("query", ""), variables)
            return json_reply(answer, status)
        return self._route(context, [unquote(part) for part in self.path.strip("/").split("/")])

    def _route(self, context: Context, parts: list[str]) -> Reply:
        if parts[0] == "storage" and len(parts) > 2 and parts[1].isdigit():
            return self._storage(context, int(parts[1]), "/".join(parts[2:]))
        if self.command == "POST" and parts[0] == "files" and parts[-1] == "file_stream" and len(parts) == 5:
            self._check_key()
            return json_reply(filestream.receive(context, parts[1], parts[2], parts[3], load_dict(self.body)))
        if self.command == "GET" and len(parts) == 4 and parts[2] in ("runs", "sweeps"):
            return 200, HTML, pages.page(context, *parts).encode()
        raise Refused("no such page", 404)

    def _storage(self, context: Context, run: int, name: str) -> Reply:
        if self.command == "PUT":
            write_file(context, run, name, self.body)
            return json_reply({})
        body, kind = read_file(context, run, name)
        return 200, kind, body

    def context(self, effects: frozenset[str] = frozenset()) -> Context:
        """Return what a resolver needs, with the clock read once and links on the origin the client used."""
        host = self.headers.get("Host")
        origin = f"http://{host}" if host else self.server.url
        return Context(self.server.store, self.server.options, time.time(), origin, effects)

    def _check_key(self) -> None:
        scheme, _, encoded = (self.headers.get("Authorization") or "").partition(" ")
        key = base64.b64decode(encoded).decode(errors="replace").partition(":")[2] if scheme == "Basic" else ""
        wanted = self.server.options.api_key
        if (wanted is not None and key != wanted) or len(key) < SHORTEST_KEY:
            raise Refused("user is not logged in", 401)

    def _misbehave(self, fault: Fault) -> bool:
        """Do what a fault says and return whether the request is thereby over."""
        if fault.kind == "slow":
            time.sleep(fault.seconds)
            return False
        if fault.kind == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault.kind == "malformed":
            self._send(200, JSON, b'{"data": {"project": ')
        elif fault.kind == "html":
            self._send(fault.status, HTML, b"<html><body>Bad gateway</body></html>")
        else:
            wait = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            self._send(fault.status, JSON, b'{"error": "injected fault"}', wait)
        return True


ADMIN: dict[tuple[str, str], Callable[[Handler], object]] = {
    ("POST", "/_faults"): lambda handler: handler.server.faults.add(load_dict(handler.body)),
    ("DELETE", "/_faults"): lambda handler: handler.server.faults.clear(),
    ("GET", "/_requests"): lambda handler: handler.server.faults.counts(),
    ("DELETE", "/_requests"): lambda handler: handler.server.faults.reset_counts(),
    ("POST", "/_seed"): lambda handler: seed.seed(handler.context(), load_dict(handler.body)),
    ("POST", "/_beat"): lambda handler: seed.beat(handler.context(), load_dict(handler.body)),
}
