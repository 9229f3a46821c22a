"""Sending one request to where an agent said, and never to this machine: the address that answers is looked at."""

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from apps.api.domain.webhooks import is_forbidden

Post = Callable[[str, bytes, dict[str, str], float, bool], int]


class Undelivered(Exception):
    """The other side did not take it; the text says why."""


class Forbidden(Undelivered):
    """It may not be sent there, and never will be."""


def check_address(host: str, address: str) -> None:
    """Raise ``Forbidden`` where an IP address of ``host`` is this machine or one of its kind."""
    if is_forbidden(address):
        raise Forbidden(
            f"not sent: {host[:100]} lies on Sweepboard's own machine or link-local; [api] webhook_hosts may name it."
        )


def post_by_http(url: str, body: bytes, headers: dict[str, str], seconds: float, anywhere: bool) -> int:
    """Send a body by POST and return the status; ``Undelivered`` where no answer came within ``seconds``.

    Unless it may lie ``anywhere``, nothing is sent to a connection that leads to this machine (``Forbidden``): a name
    may have led elsewhere when it was asked for before.
    """
    checked = () if anywhere else (_Checked, _CheckedTls)
    opener = urllib.request.build_opener(_NoRedirect, *checked)
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - check_url saw to http and https
    try:
        with opener.open(request, timeout=seconds) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except Undelivered:
        raise
    except (OSError, ValueError) as error:  # a name that is none, a refused connection, a time-out, no HTTP
        raise Undelivered(f"not delivered: {getattr(error, 'reason', error)}") from error
    except Exception as error:  # http.client's own: whatever the other side says is no reason to stop the worker
        raise Undelivered(f"not delivered: {type(error).__name__}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like another: what is signed for one place goes to no other."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        check_address(self.host, self.sock.getpeername()[0])


class _TlsConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        check_address(self.host, self.sock.getpeername()[0])


class _Checked(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        # A proxy is the operator's own word, wherever it lies; what it connects to is its own matter.
        return self.do_open(http.client.HTTPConnection if request.has_proxy() else _Connection, request)


class _CheckedTls(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        tunnelled = getattr(request, "_tunnel_host", None) is not None
        kind = http.client.HTTPSConnection if tunnelled else _TlsConnection
        return self.do_open(kind, request, context=ssl.create_default_context())
