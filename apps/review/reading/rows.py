"""The rows that a figure counts, by name and with their links; one query for a page of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from apps.alerts.models import AlertDelivery
from apps.approvals.models import Plan, Question
from apps.core.clock import utcnow
from apps.core.units import with_ages
from apps.flags.models import Flag
from apps.handovers.models import Handover
from apps.links.models import RunLink
from apps.slurm.models import Job
from apps.sweeps.models import Run, Sweep


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its name, where W&B shows it, where Sweepboard does, and a few words about it."""

    name: str
    url: str = ""
    path: str = ""
    said: str = ""


def lines_of(kind: str, keys: Iterable[int]) -> dict[int, Line]:
    """Return what these rows are called; one that is gone by now is missing."""
    find = _FIND.get(kind)
    return find(list(keys)) if find else {}


def path_of(kind: str, key: int, name: str) -> str:
    """Return where Sweepboard shows a row; empty where it has no page."""
    if kind == "rule":
        return f"{reverse('board:flags')}?rule={name}"
    page = {"handover": "handovers:handover", "plan": "approvals:plan", "question": "approvals:question"} | {
        "flag": "board:flag", "run": "pages:run", "sweep": "pages:sweep",
    }  # fmt: skip
    return reverse(page[kind], args=[key]) if kind in page and key else ""


def _stamp(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "—"


def _sweeps(keys: list[int]) -> dict[int, Line]:
    rows = Sweep.objects.filter(pk__in=keys).values_list("pk", "name", "sweep_id", "url", "state", "created_at")
    return {
        pk: Line(name or id, url, path_of("sweep", pk, ""), f"{id}, {state}, made {_stamp(at)}")
        for pk, name, id, url, state, at in rows
    }


def _runs(keys: list[int]) -> dict[int, Line]:
    rows = Run.objects.filter(pk__in=keys).values_list(
        "pk", "name", "run_id", "url", "state", "sweep__name", "status__verdict", "status__crash_class"
    )
    found = {}
    for pk, name, run_id, url, state, sweep, verdict, crash in rows:
        words = [run_id, sweep or "no sweep", state, verdict or "not judged", crash]
        found[pk] = Line(name or run_id, url, path_of("run", pk, ""), ", ".join(word for word in words if word))
    return found


def _jobs(keys: list[int]) -> dict[int, Line]:
    rows = Job.objects.filter(pk__in=keys).values_list("pk", "job_id", "user", "state", "gpus", "start_at", "nodes")
    return {
        pk: Line(f"job {job_id}", "", "", f"{user or 'nobody'}, {state}, {gpus} GPU, from {_stamp(at)}, {nodes}")
        for pk, job_id, user, state, gpus, at, nodes in rows
    }


def _flags(keys: list[int]) -> dict[int, Line]:
    rows = Flag.objects.filter(pk__in=keys).values_list(
        "pk", "rule", "severity", "run__name", "sweep__name", "run__url", "sweep__url", "opened_at", "evidence"
    )
    return {
        pk: Line(
            f"{rule} on {run or sweep or 'nothing known'}", run_url or sweep_url or "", path_of("flag", pk, ""),
            f"{severity}, {_stamp(at)}: {with_ages(said, utcnow())[:200]}",
        )
        for pk, rule, severity, run, sweep, run_url, sweep_url, at, said in rows
    }  # fmt: skip


def _links(keys: list[int]) -> dict[int, Line]:
    rows = RunLink.objects.filter(pk__in=keys).values_list(
        "pk",
        "run_id",
        "run__name",
        "run__run_id",
        "run__url",
        "job__job_id",
        "job__state",
        "job__start_at",
        "job__end_at",
    )
    return {
        pk: Line(name or run_id, url, path_of("run", run, ""), f"job {job}, {state}, {_stamp(begin)} to {_stamp(end)}")
        for pk, run, name, run_id, url, job, state, begin, end in rows
    }


def _handovers(keys: list[int]) -> dict[int, Line]:
    rows = Handover.objects.filter(pk__in=keys).values_list("pk", "key", "branch", "state", "focus")
    return {
        pk: Line(key, "", path_of("handover", pk, ""), ", ".join(word for word in (branch, state, focus[:120]) if word))
        for pk, key, branch, state, focus in rows
    }


def _plans(keys: list[int]) -> dict[int, Line]:
    rows = Plan.objects.filter(pk__in=keys).values_list("pk", "title", "state", "by", "posted_at")
    return {
        pk: Line(title, "", path_of("plan", pk, ""), f"{state}, by {by}, {_stamp(at)}")
        for pk, title, state, by, at in rows
    }


def _questions(keys: list[int]) -> dict[int, Line]:
    rows = Question.objects.filter(pk__in=keys).values_list("pk", "title", "state", "by", "at")
    return {
        pk: Line(title, "", path_of("question", pk, ""), f"{state}, by {by}, {_stamp(at)}")
        for pk, title, state, by, at in rows
    }


def _alerts(keys: list[int]) -> dict[int, Line]:
    rows = AlertDelivery.objects.filter(pk__in=keys).values_list("pk", "channel__name", "subject", "state", "made_at")
    return {pk: Line(subject, "", "", f"{channel}, {state}, {_stamp(at)}") for pk, channel, subject, state, at in rows}


_FIND: dict[str, Callable[[list[int]], dict[int, Line]]] = {
    "sweep": _sweeps,
    "run": _runs,
    "job": _jobs,
    "flag": _flags,
    "link": _links,
    "handover": _handovers,
    "plan": _plans,
    "question": _questions,
    "alert": _alerts,
}
