"""Sending the answer to a question to whoever asked: a row first, driven until it is delivered or given up."""

import json
import secrets
import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db.models import F, Q

from apps.api.callers import facts_of
from apps.api.domain.tokens import why_dead
from apps.api.domain.webhooks import lacks_secret, next_try, secret_from, signature_of, with_secret
from apps.api.models import Token, Webhook
from apps.api.services.posting import Forbidden, Post, Undelivered, check_address
from apps.approvals.models import Question
from apps.approvals.selectors import question_as_json
from apps.workspaces.config import ApiConfig

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=60)  # longer than one delivery may take


def add_webhook(*, question: Question, token: Token, url: str, now: datetime) -> Webhook:
    """Note where the answer to a question is sent; of a question that was asked before, the first place stands."""
    told = {"token": token, "url": url, "nonce": secrets.token_hex(16), "next_at": now}
    return Webhook.objects.get_or_create(question=question, defaults=told)[0]


def secret_of(hook: Webhook) -> str:
    return secret_from(settings.SECRET_KEY, hook.nonce)


def as_told(body: str) -> str:
    """Return a kept answer with the secret of its webhook, which is kept nowhere and made anew."""
    if not lacks_secret(body):
        return body
    hook = Webhook.objects.filter(question=json.loads(body)["question"]).first()
    return with_secret(body, secret_of(hook)) if hook else body


def due_webhooks(now: datetime) -> list[int]:
    """Return those whose question has its end, and whose next try is due."""
    rows = Webhook.objects.filter(_free(now)).exclude(question__state="open")
    return list(rows.order_by("next_at").values_list("pk", flat=True)[:200])


def _free(now: datetime) -> Q:
    return Q(state="waiting", next_at__lte=now) & (Q(claimed_at=None) | Q(claimed_at__lt=now - LEASE))


def deliver(*, webhook_pk: int, post: Post, clock: Callable[[], datetime], config: ApiConfig) -> str:
    """Send one answer, unless somebody else does; return the state of the row, ``gone`` where there is none.

    A try that was broken off may have arrived: the receiver knows a delivery by its number, which stays the same.
    """
    now = clock()
    claimed = Webhook.objects.filter(_free(now), pk=webhook_pk).exclude(question__state="open")
    if claimed.update(claimed_at=now, attempts=F("attempts") + 1) != 1:
        return Webhook.objects.filter(pk=webhook_pk).values_list("state", flat=True).first() or "gone"
    hook = Webhook.objects.select_related("question__answer", "token__owner").get(pk=webhook_pk)
    if why := why_dead(facts_of(hook.token), now):
        return _close(hook, "failed", f"not sent: {why}", now)
    body = json.dumps(question_as_json(hook.question)).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Sweepboard",
        "X-Sweepboard-Delivery": str(hook.pk),
        "X-Sweepboard-Signature": signature_of(secret_of(hook), body),
    }
    try:
        anywhere = _is_named(hook.url, config.webhook_hosts)
        if not anywhere:
            _check_place(hook.url)
        status = post(hook.url, body, headers, config.webhook_seconds, anywhere)
    except Forbidden as error:
        log.warning("api.webhook.forbidden", webhook=hook.pk, said=str(error))
        return _close(hook, "failed", str(error), clock())
    except Undelivered as error:
        return _again(hook, str(error), clock(), config)
    if 200 <= status < 300:
        return _close(hook, "done", f"taken with status {status}", clock())
    return _again(hook, f"answered with status {status}", clock(), config)


def _is_named(url: str, hosts: Sequence[str]) -> bool:
    """Whether the settings name the host, so that it may lie anywhere."""
    return (urlsplit(url).hostname or "") in {one.lower() for one in hosts}


def _check_place(url: str) -> None:
    """Raise ``Forbidden`` where any address of the host is this machine or one of its kind, whatever it is called.

    Asked before anything is connected. A name that leads elsewhere a moment later is seen by the one who posts.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        found = {str(one[4][0]) for one in socket.getaddrinfo(host, parts.port, type=socket.SOCK_STREAM)}
    except (OSError, ValueError) as error:
        raise Undelivered(f"not delivered: {host} is no name that is known") from error
    for one in found:
        check_address(host, one)


def _again(hook: Webhook, said: str, now: datetime, config: ApiConfig) -> str:
    if hook.attempts >= config.webhook_attempts:
        log.warning("api.webhook.given_up", webhook=hook.pk, said=said)
        return _close(hook, "failed", f"given up after {hook.attempts} tries: {said}", now)
    _close(hook, "waiting", said, now, next_at=next_try(hook.attempts, now), finished_at=None)
    return "waiting"


def _close(hook: Webhook, state: str, said: str, now: datetime, **values: Any) -> str:
    told = {"state": state, "said": said[:300], "claimed_at": None, "finished_at": now, **values}
    Webhook.objects.filter(pk=hook.pk).update(**told)
    return state
