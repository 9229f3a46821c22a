"""A worker that is killed at any line, around every question to the database and to Slurm: one job, and a true end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from apps.audit.models import AuditEvent
from apps.resume.models import ResumeRequest
from apps.resume.services import LEASE
from apps.slurm.ports import Submission
from tests.factories.resume import Lab

pytestmark = pytest.mark.django_db
CALLS = ("cluster", "queue", "history", "attempts_of", "submit", "requeue", "cancel")


class Death(BaseException):
    """A worker that is killed: nothing of it runs on."""


class Killer:
    """Kills at the ``number``th place that is passed; a place is before and after every question to the outside."""

    def __init__(self, number: int) -> None:
        self.number, self.passed = number, 0

    def place(self) -> None:
        self.passed += 1
        if self.passed == self.number:
            raise Death


class Deadly:
    """A scheduler around whose calls workers die: before Slurm hears of it, and after it has done it."""

    def __init__(self, inner: Any, killer: Killer) -> None:
        self._inner, self._killer = inner, killer

    def __getattr__(self, name: str) -> Any:
        held = getattr(self._inner, name)
        if name not in CALLS:
            return held

        def deadly(*arguments: Any) -> Any:
            self._killer.place()
            answer = held(*arguments)
            self._killer.place()
            return answer

        return deadly


@contextmanager
def deadly_database(killer: Killer) -> Iterator[None]:
    def asked(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if "SAVEPOINT" not in sql:
            killer.place()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(asked):
        yield


def _script(lab: Lab, request: ResumeRequest, killer: Killer) -> None:
    """The whole life of a request, with a worker that may die at the killer's place and is relieved."""
    scheduler = Deadly(lab.scheduler, killer)
    for step in range(12):
        try:
            with deadly_database(killer):
                state = lab.drive(request, scheduler)
        except Death:
            lab.later(seconds=LEASE.total_seconds() + 1)
            continue
        if state not in ResumeRequest.OPEN:
            return
        lab.later(seconds=15)
        for one in [x for x in lab.scheduler.attempts if x.state == "PENDING"]:
            lab.scheduler.start(one.job_id)
            lab.later(seconds=15)
        if any(one.state == "RUNNING" for one in lab.scheduler.attempts):
            lab.logs(501 + step, calls=55 + step)


def _told(lab: Lab, request: ResumeRequest) -> tuple[str, list[str], list[str]]:
    request.refresh_from_db()
    types = list(AuditEvent.objects.order_by("pk").values_list("type", flat=True))
    return request.state, lab.jobs, [one.rpartition(".")[2] for one in types]


@pytest.mark.parametrize("how", ["submit", "requeue", "cancel"])
def test_a_death_at_any_place_makes_one_job_and_ends_in_the_same_truth(
    how: str, workspace_root: Path, settings: Any
) -> None:
    settings.CONFIG_FILE = ""
    number, died = 0, True
    while died:
        number += 1
        with transaction.atomic():
            lab = Lab(workspace_root, requeue=how == "requeue")
            first = _first_life(lab) if how == "requeue" else []
            request, killer = lab.ask(), Killer(number)
            if how == "cancel":
                lab.drive(request)
                ResumeRequest.objects.update(cancel_by="mia")
            _script(lab, request, killer)
            died = killer.passed >= number
            state, jobs, types = _told(lab, request)
            end = "cancelled" if how == "cancel" else "confirmed"
            assert (state, jobs, types) == (end, [*first, "1"], ["requested", "submitted", end]), number
            transaction.set_rollback(True)
    assert number > (20 if how != "cancel" else 8)


def _first_life(lab: Lab) -> list[str]:
    """The job that will be requeued, as Slurm remembers it."""
    job_id = lab.scheduler.submit(Submission(str(lab.root / "experiments/resume.sbatch")))
    lab.scheduler.start(job_id)
    lab.scheduler.finish(job_id, "PREEMPTED")
    lab.job.job_id, lab.job.raw_id, lab.job.submit_at = job_id, int(job_id), lab.scheduler.attempts[0].submit_at
    lab.job.save()
    lab.later(minutes=1)
    return [job_id]


def test_a_press_that_dies_at_any_place_leaves_a_whole_request_or_none(workspace_root: Path, settings: Any) -> None:
    """The row, its audit event and the used look at the gate are one transaction."""
    settings.CONFIG_FILE = ""
    number, died = 0, True
    while died:
        number += 1
        with transaction.atomic():
            lab = Lab(workspace_root)
            check, killer = lab.check(), Killer(number)
            try:
                with deadly_database(killer):
                    lab.ask(check)
            except Death:
                pass
            died = killer.passed >= number
            check.refresh_from_db()
            told = (ResumeRequest.objects.count(), AuditEvent.objects.count(), check.state)
            assert told in ((0, 0, "done"), (1, 1, "used")), number
            transaction.set_rollback(True)
    assert number > 5


def test_a_look_at_the_gate_that_dies_is_taken_over(workspace_root: Path, settings: Any) -> None:
    settings.CONFIG_FILE = ""
    lab = Lab(workspace_root)
    from apps.resume.checking import LEASE as LOOKS
    from apps.resume.checking import ask_for_check, drive_check, unfinished_checks

    asked = ask_for_check(run=lab.run, actor="mia", now=lab.now)
    with pytest.raises(Death), deadly_database(Killer(3)):
        drive_check(check_pk=asked.pk, tools=lab.tools, clock=lambda: lab.now)
    assert unfinished_checks(lab.now) == []
    lab.later(seconds=LOOKS.total_seconds() + 1)
    assert unfinished_checks(lab.now) == [asked.pk]
    assert drive_check(check_pk=asked.pk, tools=lab.tools, clock=lambda: lab.now) == "done"
    assert ask_for_check(run=lab.run, actor="mia", now=lab.now).pk != asked.pk
