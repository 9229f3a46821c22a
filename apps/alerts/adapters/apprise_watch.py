"""What the child process sees of a connection while Apprise uses it, and what Apprise may not do there.

Apprise sends by HTTP (requests, over the standard library's ``http.client``) and by SMTP (``smtplib``). Both are
watched at the standard library: when the first byte goes out, and which status comes back.
"""

import http.client
import os
import smtplib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PROGRAMS = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn"}
)
_READABLE = (
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/ssl",
    "/etc/pki",
    "/usr/share/ca-certificates",
    "/dev/null",
)


@dataclass
class Exchange:
    """One request; ``status`` is the answer's, None while there is none."""

    connection: Any
    status: int | None = None


@dataclass
class Watch:
    """Everything that went over the network since ``begin``.

    ``reached_out`` also counts what could not connect; ``smtp_code`` is a mail server's last answer that matters.
    """

    say_begun: Callable[[], None]
    exchanges: list[Exchange] = field(default_factory=list)
    reached_out: bool = False
    smtp_code: int = 0
    retry_after: float | None = None

    def begin(self) -> None:
        """Watch the standard library's connections from now on."""
        self._watch_http()
        self._watch_smtp()
        sys.addaudithook(self._audit)

    def sent(self, connection: Any) -> None:
        """Note that bytes of a request go out now."""
        if not self.exchanges:
            self.say_begun()
        last = self.exchanges[-1] if self.exchanges else None
        if last is None or last.connection is not connection or last.status is not None:
            self.exchanges.append(Exchange(connection))

    def answered(self, status: int) -> None:
        self.exchanges[-1].status = status

    def _watch_http(self) -> None:
        send, getresponse, watch = http.client.HTTPConnection.send, http.client.HTTPConnection.getresponse, self

        def watched_send(connection: Any, data: Any) -> None:
            if connection.sock is None:
                connection.connect()  # as send() would itself: a failure to connect sends nothing
            if not (isinstance(data, bytes) and data.startswith(b"CONNECT ")):  # that one is the proxy's
                watch.sent(connection)
            send(connection, data)

        def watched_getresponse(connection: Any) -> http.client.HTTPResponse:
            response = getresponse(connection)
            watch.answered(response.status)
            wait = response.headers.get("Retry-After", "")
            watch.retry_after = float(wait) if wait.isdigit() and len(wait) < 6 else None
            return response

        _replace(http.client.HTTPConnection, send=watched_send, getresponse=watched_getresponse)

    def _watch_smtp(self) -> None:
        data, getreply, putcmd, watch = smtplib.SMTP.data, smtplib.SMTP.getreply, smtplib.SMTP.putcmd, self
        verb = ""

        def watched_data(connection: Any, message: Any) -> tuple[int, bytes]:
            watch.sent(connection)
            try:
                code, said = data(connection, message)
            except smtplib.SMTPDataError as error:
                watch.answered(error.smtp_code)
                raise
            watch.answered(code)
            return code, said

        def watched_putcmd(connection: Any, cmd: str, args: str = "") -> None:
            nonlocal verb
            verb = cmd.lower()
            putcmd(connection, cmd, args)

        def watched_getreply(connection: Any) -> tuple[int, bytes]:
            code, said = getreply(connection)
            if verb not in ("rset", "quit"):  # said after a refusal, and always answered well
                watch.smtp_code = code
            return code, said

        _replace(smtplib.SMTP, data=watched_data, getreply=watched_getreply, putcmd=watched_putcmd)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Let no service read this machine's files or run its programs, whatever its address asks for."""
        if event in ("socket.getaddrinfo", "socket.connect"):
            self.reached_out = True
        elif event in _PROGRAMS:
            raise PermissionError("alerts run no programs")
        elif event == "open" and not _may_open(arguments[0], arguments[1] or "r"):
            raise PermissionError("alerts read no files")


def _replace(owner: type, **methods: Callable[..., Any]) -> None:
    for name, method in methods.items():
        setattr(owner, name, method)


def _may_open(path: Any, mode: str) -> bool:
    """Allow Python's own modules, certificates and time zones, for reading; ``path`` may be a file descriptor."""
    if not isinstance(path, str | bytes | os.PathLike):
        return True
    real = os.path.realpath(os.fsdecode(path))
    allowed = (*_python(), *_READABLE)
    return not set(mode) & set("wax+") and any(real == one or real.startswith(one + os.sep) for one in allowed)


def _python() -> tuple[str, ...]:
    return (
        os.path.realpath(sys.prefix),
        str(Path(os.__file__).resolve().parent),
        str(Path(__file__).resolve().parents[2]),  # our own modules, and nothing else of this checkout
    )
