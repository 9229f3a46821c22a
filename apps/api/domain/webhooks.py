"""Where an answer may be sent, how a delivery is signed, and when it is tried again. Pure."""

import hashlib
import hmac
import re
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from apps.core.errors import Permanent

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=1)
_THIS_NETWORK = ip_network("0.0.0.0/8")
_METADATA = ip_address("fd00:ec2::254")  # what 169.254.169.254 is in IPv6
# Inside a text of JSON the quotes would have a backslash before them, so that no text can pass for it.
_TOLD = re.compile(r'("webhook_secret": ?")([0-9a-f]*)(")')


def check_url(url: str) -> None:
    """Raise unless an answer can be sent to this address: http or https, a host, and no name and password in it."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named or parts.scheme not in ("http", "https") or parts.username or any(ord(c) <= 32 for c in url):
        raise Permanent("A webhook is an http or https address with a host, without a name and password in it.")
    if not url.isascii():
        raise Permanent("A webhook's address is written in ASCII; encode what is not.")


def secret_from(key: str, nonce: str) -> str:
    """Return the secret of one webhook, 64 hex digits: made of the server's key, so that none is kept."""
    return hmac.new(key.encode(), f"sweepboard webhook {nonce}".encode(), hashlib.sha256).hexdigest()


def is_forbidden(address: str) -> bool:
    """Whether no answer may be sent to an IP address: to this machine, to what a cloud tells only machines inside of it
    (169.254.169.254), to many at once, or to nobody. Private networks are allowed, since clusters live there.
    """
    told = ip_address(address.partition("%")[0])
    told = getattr(told, "ipv4_mapped", None) or told
    return (
        told.is_loopback or told.is_link_local or told.is_unspecified or told.is_multicast or told.is_reserved
        or told in _THIS_NETWORK or told == _METADATA
    )  # fmt: skip


def without_secret(body: str) -> str:
    """Return a JSON answer as it is kept, without the secret that it told."""
    return _TOLD.sub(r"\1\3", body)


def with_secret(body: str, secret: str) -> str:
    """Return a kept JSON answer as it was told."""
    return _TOLD.sub(rf"\g<1>{secret}\3", body)


def lacks_secret(body: str) -> bool:
    found = _TOLD.search(body)
    return found is not None and not found[2]


def signature_of(secret: str, body: bytes) -> str:
    """Return what stands in ``X-Sweepboard-Signature``: the HMAC-SHA256 of the body, as GitHub writes its own."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def next_try(attempts: int, now: datetime) -> datetime:
    """Return when to try again after so many tries: 5 seconds, then twice as long each time, an hour at most."""
    return now + min(LONGEST_WAIT, FIRST_WAIT * (1 << min(attempts - 1, 12)))
