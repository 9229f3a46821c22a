"""Doing a request with an idempotency key once, however often it is sent, and whoever dies in the middle of it.

A first row says that the request is under way, and is committed by itself; whoever sends the same key meanwhile is told
so. The act and its answer are then committed in *one* transaction, which also checks that the row is still ours. So a
process that dies in the middle leaves an act that never happened and a row without an answer. When its lease is over,
the next one takes the row and acts; and if the first was only slow, its transaction finds the row taken and is rolled
back with all that it did. What cannot be rolled back, writing files, is done before that transaction, which would keep
every other writer waiting; its lease is longer, and it looks first for what an earlier try left (``Caller.repeated``).
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import IntegrityError, transaction

from apps.api.domain.problems import Kind, Problem
from apps.api.domain.webhooks import without_secret
from apps.api.models import KeptAnswer, Token
from apps.api.services.webhooks import as_told

log = structlog.get_logger(__name__)
KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=60)  # longer than any act takes that lives in the database
OUTSIDE_LEASE = timedelta(seconds=420)  # longer than git may take for a worktree, with what is written into it
LONGEST_KEY = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered. ``replayed`` says that it was answered before, and nothing was done now.

    ``ask_again`` is an answer that stands for this moment only, such as 'it is being looked at': it is not kept.
    """

    status: int
    body: str
    content_type: str
    replayed: bool = False
    ask_again: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """``first_at`` is when the request first came; ``repeated`` that an earlier try did not come to its end."""

    first_at: datetime
    repeated: bool


class _Lost(Exception):
    """Somebody else took the request over while we carried it out."""


def once(
    *,
    token: Token,
    key: str,
    fingerprint: str,
    clock: Callable[[], datetime],
    act: Callable[[Claim], Answer],
    outside: bool = False,
) -> Answer:
    """Carry ``act`` out and keep its answer, or return the one that was kept for this key.

    ``outside`` says that the act writes files: no transaction is open while it does, and none takes them back.
    ``Problem`` 422 where the key stands for another request, 409 while the same one is under way. A refusal is not
    kept, because it may stand for this moment only: the request may be sent again. Of 500 and more nothing stays that
    was done.
    """
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
        raise Problem(Kind.INVALID, f"An idempotency key has 1 to {LONGEST_KEY} characters that can be seen.")
    row, repeated = _claimed(token, key, fingerprint, clock(), OUTSIDE_LEASE if outside else LEASE)
    if row.status is not None:
        return Answer(row.status, as_told(row.body), row.content_type, replayed=True)
    try:
        answer = _carried_out(row, act, Claim(row.first_at, repeated), outside=outside)
    except _Lost as error:
        raise _under_way(1) from error
    except BaseException:
        _let_go(row)
        raise
    if not _is_kept(answer):
        _let_go(row)
    return answer


def _is_kept(answer: Answer) -> bool:
    return 200 <= answer.status < 300 and not answer.ask_again


def forget_answers(now: datetime) -> int:
    """Delete the answers of every token that are older than a day, and return how many there were."""
    return KeptAnswer.objects.filter(first_at__lt=now - KEPT).delete()[0]


def _carried_out(row: KeptAnswer, act: Callable[[Claim], Answer], claim: Claim, *, outside: bool) -> Answer:
    early = act(claim) if outside else None
    with transaction.atomic():
        answer = early or act(claim)
        _keep(row, answer)
    return answer


def _claimed(token: Token, key: str, fingerprint: str, now: datetime, lease: timedelta) -> tuple[KeptAnswer, bool]:
    """Return the row of this key, ours to carry out unless it has its answer, and whether somebody else tried."""
    KeptAnswer.objects.filter(token=token, first_at__lt=now - KEPT).delete()
    told = {"fingerprint": fingerprint, "claim": uuid.uuid4().hex, "first_at": now, "claimed_at": now}
    try:
        with transaction.atomic():
            return KeptAnswer.objects.create(token=token, key=key, **told), False
    except IntegrityError:
        held = KeptAnswer.objects.filter(token=token, key=key).first()
    if held is None:  # it failed, or grew too old, at this very moment
        raise _under_way(1)
    if held.fingerprint != fingerprint:
        raise Problem(Kind.KEY_REUSED, f"The idempotency key '{key}' stands for another request: use a new one.")
    if held.status is not None:
        return held, False
    return _taken_over(held, now, lease), True


def _taken_over(held: KeptAnswer, now: datetime, lease: timedelta) -> KeptAnswer:
    left = held.claimed_at + lease - now
    if left > timedelta(0):
        raise _under_way(max(1, round(left.total_seconds())))
    claim = uuid.uuid4().hex
    rows = KeptAnswer.objects.filter(pk=held.pk, claim=held.claim, status=None)
    if rows.update(claim=claim, claimed_at=now) != 1:
        raise _under_way(1)
    log.info("api.once.taken_over", key=held.key)
    held.claim = claim
    return held


def _keep(row: KeptAnswer, answer: Answer) -> None:
    if answer.status >= 500:
        transaction.set_rollback(True)
    if not _is_kept(answer):
        return
    told = {"status": answer.status, "body": without_secret(answer.body), "content_type": answer.content_type}
    if KeptAnswer.objects.filter(pk=row.pk, claim=row.claim, status=None).update(**told) != 1:
        raise _Lost


def _let_go(row: KeptAnswer) -> None:
    KeptAnswer.objects.filter(pk=row.pk, claim=row.claim, status=None).delete()


def _under_way(wait: int) -> Problem:
    said = "The same request is being carried out at this moment; send it again for its answer."
    return Problem(Kind.IN_PROGRESS, said, retry_after=wait)
