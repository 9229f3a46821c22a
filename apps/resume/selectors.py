"""Reading what is known of a run's gate and of its resumes."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from apps.core.errors import Permanent
from apps.flags.models import RunStatus
from apps.resume.carried import carried
from apps.resume.changes import Offer, applied, in_words, offers
from apps.resume.checking import checkpoint_from
from apps.resume.domain import GateLine, Refused
from apps.resume.gate import crash_class_line
from apps.resume.models import GateCheck, ResumeRequest
from apps.resume.oom import ladder_of
from apps.resume.places import Place, job_shape, last_job, plan_of
from apps.resume.plan import Plan
from apps.sweeps.models import Run, Sweep
from apps.workspaces.selectors import workspace_by_project

DAY = timedelta(days=1)
LOOKED_AT = 300  # looks at gates, the newest ones, among which those are sought that need an admin


def crash_of(run: Run) -> tuple[str, str]:
    """Return a run's crash class, and whether that is resumable, as it was judged last."""
    found = RunStatus.objects.filter(run=run).values_list("crash_class", "resumable").first()
    return found or ("", "")


def offers_for(run: Run) -> tuple[Offer, ...]:
    """Return what can be changed before this run is resumed."""
    crash_class, job = crash_of(run)[0], last_job(run)
    steps = ladder_of(run, job.gpus if job else 1).steps if crash_class == "cuda-oom" else ()
    return offers(crash_class, job_shape(run), steps, in_words(carried(run)))


def lines_with(run: Run, check: GateCheck, choices: Mapping[str, str]) -> list[GateLine]:
    """Return the lines of a look at the gate, with what the chosen changes do to the one about the crash."""
    crash_class, resumable = crash_of(run)
    change = "; ".join(applied(choices, crash_class).counts)
    anew = crash_class_line(crash_class, resumable, change)
    return [anew if line.id == anew.id else line for line in check.gate]


def planned_for(run: Run, check: GateCheck, choices: Mapping[str, str]) -> Plan:
    """Return what a press would submit; ``Refused`` where nothing could be."""
    workspace, found = workspace_by_project().get(run.project_path), check.found
    checkpoint = checkpoint_from(found)
    if workspace is None or checkpoint is None or "cluster" not in found:
        raise Refused("There is nothing to submit: the lines above say what is missing.")
    place = Place(found["place"], found["cluster"], last_job(run))
    return plan_of(
        run=run, workspace=workspace, place=place, checkpoint=checkpoint, config_path=found["config_path"],
        key=check.key, choices=choices,
    )  # fmt: skip


def resumable_runs(sweep: Sweep) -> QuerySet[Run]:
    """Return the runs of a sweep whose next action is to resume them, the furthest first."""
    found = Run.objects.filter(sweep=sweep, status__verdict__in=("resume", "change-then-resume"))
    return found.select_related("status", "sweep__workspace").order_by("-status__epoch", "pk")


def latest_check(run: Run) -> GateCheck | None:
    """Return the last look at a run's gate that was not used up by a press."""
    return GateCheck.objects.filter(run=run).exclude(state="used").first()


def latest_checks(runs: Iterable[Run]) -> dict[int, GateCheck]:
    """Return the same for many runs by primary key, in one query."""
    newest = GateCheck.objects.filter(run=OuterRef("run")).exclude(state="used").order_by("-pk").values("pk")[:1]
    found = GateCheck.objects.filter(run__in=[run.pk for run in runs], pk=Subquery(newest))
    return {one.run_id: one for one in found}


def open_requests(runs: Iterable[Run]) -> dict[int, ResumeRequest]:
    """Return the wishes that are under way by their runs' primary keys, in one query."""
    found = ResumeRequest.objects.filter(run__in=[run.pk for run in runs], state__in=ResumeRequest.OPEN)
    return {one.run_id: one for one in found}


def resumes_of(run: Run) -> list[ResumeRequest]:
    """Return the wishes to resume a run, the latest first."""
    return list(ResumeRequest.objects.filter(run=run)[:5])


def preview_of(plan: Plan) -> dict[str, Any]:
    """Return what a page shows of a plan: each argument, option and variable by itself."""
    made = plan.submission
    told: dict[str, Any] = {"plan": plan}
    if made is not None:
        options = {"job-name": made.name, "comment": made.comment, "chdir": made.work_dir, **made.options}
        told["argv"] = [*(f"--{name}={value}" if value else f"--{name}" for name, value in options.items()),
                        made.script, *made.args]  # fmt: skip
        told["environment"] = sorted(made.environment.items())
        told["without"] = [name for name in made.without if name.startswith("WANDB_SWEEP")]
    return told


def request_named(pk: int, run: Run) -> ResumeRequest:
    found = ResumeRequest.objects.filter(pk=pk, run=run).first()
    if found is None:
        raise Permanent("There is no such request.")
    return found


def is_stale(check: GateCheck | None, now: datetime, limit_seconds: float) -> bool:
    """Whether the gate should be looked at again before anybody decides by it."""
    if check is None:
        return True
    return check.checked_at is not None and (now - check.checked_at).total_seconds() > limit_seconds


def overrides_wanted(now: datetime) -> list[GateCheck]:
    """Return the looks at gates that only an admin can let through, oldest first: each run's newest, of one day.

    One line is shut and may be overridden, and nobody has pressed since.
    """
    newest: dict[int, GateCheck] = {}
    rows = GateCheck.objects.select_related("run").defer("found", "run__config", "run__summary")
    for check in rows[:LOOKED_AT]:
        newest.setdefault(check.run_id, check)
    recent = [one for one in newest.values() if one.state == "done" and one.checked_at and now - one.checked_at < DAY]
    wanted = [one for one in recent if one.lines and _needs_an_admin(one)]
    busy = open_requests([one.run for one in wanted]) if wanted else {}
    return sorted((one for one in wanted if one.run_id not in busy), key=lambda one: one.pk)


def _needs_an_admin(check: GateCheck) -> bool:
    shut = [line for line in check.gate if not line.passes]
    return len(shut) == 1 and shut[0].overridable
