"""The one process that imports Apprise: ``python -m apps.alerts.adapters.apprise_child``.

It reads one JSON request from its input and writes one JSON line: ``{"service": …}`` when all went well, else
``{"kind": "transient" | "permanent" | "unsure", "sentence": …}``. Before it, ``begun`` says that bytes of the message
have gone out. Its parent is ``apprise.AppriseSender``. No word of the other side, of Apprise, nor any part of
the address is in what it writes.
"""

import http
import json
import logging
import os
import sys
from typing import Any

from apps.alerts.adapters.apprise_watch import Watch

CONNECT_SECONDS, ANSWER_SECONDS = 10, 20
NOT_UNDERSTOOD = (
    "Apprise does not understand this address. Its form is that of the service, such as slack://… or mailto://…"
)
# The gateway did not hear from the server behind it, which may have taken the message.
GATEWAY = frozenset({502, 504, 520, 524})
FILES = frozenset({"attach", "config", "file", "keyfile", "pgp", "pgpprv", "pgppub", "subfile", "template"})
# What an address may not change: one plain message, sent once, to where the address says.
FIXED = {
    "format": "text", "overflow": "truncate", "retry": "0", "redirect": "no", "store": "no", "emojis": "no",
    "cto": str(CONNECT_SECONDS), "rto": str(ANSWER_SECONDS),
}  # fmt: skip


class Refused(Exception):
    """The address cannot be used; the sentence says why."""


def main() -> None:
    """Answer the one request on standard input."""
    request = json.load(sys.stdin)
    # Services may write to standard output; the reply keeps that channel to itself.
    reply_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)  # Apprise logs addresses

    def say(line: str) -> None:
        reply_to.write(line + "\n")
        reply_to.flush()

    say(json.dumps(_reply(request, Watch(lambda: say("begun")))))
    os._exit(0)  # a service's left-over threads keep nobody waiting


def _reply(request: dict[str, str], watch: Watch) -> dict[str, Any]:
    import apprise

    watch.begin()
    try:
        service = _service(apprise, request["address"])
    except Refused as refused:
        return {"kind": "permanent", "sentence": str(refused)}
    if request["call"] == "check":
        return {"service": str(service.service_name)}
    try:
        arrived = service.notify(
            title=request["subject"], body=request["body"], body_format=apprise.NotifyFormat.TEXT,
            notify_type=apprise.NotifyType.INFO,
        )  # fmt: skip
    except Exception:  # a service that fails in its own way; what was sent tells the rest
        arrived = False
    return {"service": str(service.service_name)} if arrived else _failure(watch)


def _service(apprise: Any, address: str) -> Any:
    """Return Apprise's object for the address; ``Refused`` says why there is none that could be used."""
    if len(apprise.utils.parse.parse_urls(address)) != 1:
        raise Refused(f"{NOT_UNDERSTOOD}; one address for each channel.")
    try:
        parts = apprise.plugins.url_to_dict(address, secure_logging=True)
    except Exception:
        parts = None
    if not parts:
        raise Refused(f"{NOT_UNDERSTOOD}.")
    if named := FILES & {str(name).lower() for name in parts.get("qsd", {})}:
        raise Refused(f"An address may not name files of this server (it has '{min(named)}=').")
    _check_kind(apprise.plugins.N_MGR[parts["schema"]])
    service = _made(apprise, parts)
    if len(service) != 1 or any(getattr(service, name, None) for name in ("cc", "bcc")):
        raise Refused(
            "This address has several targets, and a message could reach some of them only. Make one channel for each."
        )
    return service


def _made(apprise: Any, parts: dict[str, Any]) -> Any:
    asset = apprise.AppriseAsset(
        app_id="Sweepboard", app_desc="Sweepboard", app_url="", image_url_mask="", image_url_logo="", async_mode=False,
        http_redirects=False,
    )  # fmt: skip
    try:
        service = apprise.Apprise.instantiate({**parts, **FIXED}, asset=asset)
    except Exception:
        service = None
    if service is None:
        raise Refused(f"{NOT_UNDERSTOOD}; or something that the service needs is missing in it.")
    return service


def _check_kind(plugin: type) -> None:
    """Refuse services that use this machine, or a protocol whose fate cannot be watched."""
    modules = [sys.modules[one.__module__] for one in plugin.__mro__ if one.__module__ != "builtins"]
    own = [
        one for one in modules if one.__name__.startswith("apprise.plugins.") and one.__name__ != "apprise.plugins.base"
    ]
    if not any(hasattr(one, "requests") or one.__name__.startswith("apprise.plugins.email") for one in own):
        raise Refused(
            f"Sweepboard sends by HTTP and by e-mail only; {getattr(plugin, 'service_name', 'this')} works on this "
            "server itself, or cannot tell whether a message arrived."
        )


def _failure(watch: Watch) -> dict[str, Any]:
    """Tell what became of a message that Apprise says did not arrive."""
    statuses = [exchange.status for exchange in watch.exchanges]
    if None in statuses:
        return _said(
            "unsure", "The connection broke, or the time was over, after the message was sent: no answer came."
        )
    if gateway := [status for status in statuses if status in GATEWAY]:
        return _said(
            "unsure", f"A gateway answered for the service ({_status(gateway[0])}), which may have taken the message."
        )
    if taken := [status for status in statuses if status is not None and 200 <= status < 300]:
        return _said(
            "unsure", f"The service answered ({_status(taken[0])}), but not as it does when it takes a message."
        )
    if watch.smtp_code >= 400:
        again = watch.smtp_code < 500  # SMTP's 4xx ask to come again, its 5xx do not
        return _refusal(f"the mail server's code {watch.smtp_code}", again=again)
    if statuses:
        code = statuses[-1] or 0
        refusal = _refusal(_status(code), again=code in (408, 425, 429) or code >= 500)
        return {**refusal, "retry_after": watch.retry_after}
    if not watch.reached_out:
        return _said("permanent", "Apprise could not make a message for this address. Enter the address anew.")
    return _said("transient", "The other side could not be reached: no such name, no connection, no valid certificate.")


def _refusal(answer: str, *, again: bool) -> dict[str, Any]:
    return _said("transient" if again else "permanent", f"The service refused the message ({answer}).")


def _status(status: int) -> str:
    try:
        return f"HTTP {status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _said(kind: str, sentence: str) -> dict[str, Any]:
    return {"kind": kind, "sentence": sentence}


if __name__ == "__main__":
    main()
