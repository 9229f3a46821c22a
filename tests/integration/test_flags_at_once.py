"""Evaluations, presses and clearing at the same time, over the same flags, each in an order of its own."""

import random
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from apps.flags.models import Flag
from apps.flags.services import clear_settled_flags, evaluate_runs
from apps.flags.triage import Act, Wish, triage
from apps.sweeps.models import Run
from tests.factories.moments import NOW, before
from tests.factories.rows import RunLinkFactory, SweepFactory, both_sources_answered

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("noon")]
ROUNDS = 8


def test_nobody_is_thrown_out_and_no_flag_is_open_twice() -> None:
    both_sources_answered()
    sweep, failures = SweepFactory(), []
    runs = [RunLinkFactory(run__sweep=sweep, run__heartbeat_at=before(minutes=45)).run.pk for _ in range(60)]
    evaluate_runs(run_pks=runs, now=NOW)

    def judge(turn: int) -> None:
        beat = NOW if turn % 2 else before(minutes=45)
        Run.objects.filter(pk__in=random.sample(runs, 30)).update(heartbeat_at=beat)
        evaluate_runs(run_pks=runs, now=NOW + timedelta(minutes=2 * turn))

    def press(turn: int) -> None:
        chosen = list(Flag.objects.open().values_list("pk", flat=True))
        random.shuffle(chosen)
        wish = Wish(list(Act)[turn % 6], "mira", "seen", NOW + timedelta(hours=turn + 1), f"noor{turn}")
        triage(flags=chosen[:50], wish=wish, now=NOW)

    def clear(turn: int) -> None:
        clear_settled_flags(now=NOW + timedelta(minutes=3 * turn))

    def often(work: Callable[[int], None]) -> None:
        try:
            for turn in range(ROUNDS):
                work(turn)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=often, args=[work]) for work in (judge, judge, press, press, press, clear)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert failures == []
    still_open = Flag.objects.open().order_by().values("rule", "run", "sweep")
    assert still_open.distinct().count() == still_open.count()
    assert Flag.objects.exists()
