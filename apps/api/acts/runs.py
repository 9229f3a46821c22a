"""Reading runs and their verdicts."""

from django.db.models import Prefetch, Q, QuerySet

from apps.api.acts.flags import flag_told
from apps.api.acts.paging import in_order, newest_first
from apps.api.acts.registry import Told, act
from apps.api.callers import Caller
from apps.api.domain.problems import Kind, Problem, not_found
from apps.api.domain.tokens import Scope
from apps.api.schemas.training import RunsWish, RunWish
from apps.closing.selectors import run_named
from apps.core.clock import utcnow
from apps.core.errors import Permanent
from apps.core.units import with_ages
from apps.flags.models import Flag, RunStatus
from apps.flags.selectors import open_flag_of
from apps.pages.domain.tables import BUILT_IN, CONFIG, SUMMARY, TableView
from apps.pages.selectors.runs_table import narrowed
from apps.sweeps.models import Run
from apps.sweeps.ports import LIVE_RUN_STATES

_COLUMNS = f"one of {', '.join(one for one in BUILT_IN if one != 'flags')}, or a key after {CONFIG} or {SUMMARY}"
_SUCH_AS = {"range": "metric~0.8~ or config.lr~0.001~0.1", "word": "config.optimizer~adamw"}


@act(Scope.READ)
def list_runs(caller: Caller, wish: RunsWish) -> Told:
    """List the runs that live or have an open flag, or all, the newest known first."""
    runs = Run.objects.all()
    if not wish.all:
        flagged = Flag.objects.standing().filter(run__isnull=False).values("run")
        runs = runs.filter(Q(state__in=LIVE_RUN_STATES) | Q(pk__in=flagged))
    exact = {"sweep__sweep_id": wish.sweep, "sweep__workspace__name": wish.workspace, "state": wish.state,
             "status__verdict": wish.verdict}  # fmt: skip
    runs = runs.filter(**{name: value for name, value in exact.items() if value})
    if wish.flag:
        runs = runs.filter(pk__in=Flag.objects.standing().filter(rule=wish.flag, run__isnull=False).values("run"))
    view = _view(wish)
    rows = _with_all(narrowed(runs, view, utcnow()))
    page, after = in_order(rows, wish, "runs in order") if wish.sort else newest_first(rows, wish, "runs")
    return {"runs": [run_told(run) for run in page], "next": after}


def _view(wish: RunsWish) -> TableView:
    """Return what a sweep's table would be asked for; ``Problem`` 422 for what that would leave out."""
    told = {"sort": [wish.sort], "q": [wish.q], "range": wish.range, "word": wish.word}
    view = TableView.from_query(told)
    if wish.sort and view.sort != wish.sort:
        raise Problem(Kind.INVALID, f"Runs cannot be sorted by '{wish.sort}'; a column is {_COLUMNS}.")
    for name, values in (("range", wish.range), ("word", wish.word)):
        read = [TableView.from_query({name: [one]}) for one in values]
        if wrong := next((text for text, one in zip(values, read, strict=True) if not one.filtered), ""):
            raise Problem(Kind.INVALID, f"'{wrong}' is no {name}; write one such as {_SUCH_AS[name]}.")
    return view


def _with_all(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Fetch along what is told of a run, in two queries for all of them."""
    flags = Prefetch("flags", Flag.objects.standing().worst_first("rule"), to_attr="open_flags")
    fetched = runs.select_related("status__job", "checkpoint", "sweep__workspace").defer("config", "summary")
    return fetched.prefetch_related(flags)


@act(Scope.READ)
def show_run(caller: Caller, wish: RunWish) -> Told:
    """Show one run: both states side by side, progress, and the next action."""
    return run_told(_with_all(Run.objects.filter(pk=run_of(wish).pk)).get())


@act(Scope.READ)
def run_verdict(caller: Caller, wish: RunWish) -> Told:
    """Tell the one next action for a run, with the evidence in the order in which it was weighed."""
    now = utcnow()
    run = _with_all(Run.objects.filter(pk=run_of(wish).pk)).get()
    status: RunStatus | None = getattr(run, "status", None)
    told = {"run": run.run_id, "project": run.project_path, "url": run.url, "flags": _flags_of(run)}
    if status is None:
        said = "The run was not judged yet: a pass over W&B and Slurm has to end first."
        return {**told, "verdict": "unknown", "reason": said, "change_first": "", "sources_agree": None,
                "disagreement": "", "evidence": [], "proof": "", "crash_class": "", "resumable": ""}  # fmt: skip
    return {
        **told,
        "verdict": status.verdict or "unknown",
        "reason": with_ages(status.verdict_reason, now),
        "change_first": status.verdict_change,
        "sources_agree": {"agree": True, "disagree": False}.get(status.agreement),
        "disagreement": with_ages(status.disagreement, now),
        "evidence": [with_ages(sentence, now) for sentence in status.chain],
        "proof": status.proof,
        "crash_class": status.crash_class,
        "resumable": status.resumable,
    }


def run_of(wish: RunWish) -> Run:
    try:
        return run_named(wish.run, wish.project)
    except Permanent as error:
        raise not_found(error) from error


def _flags_of(run: Run) -> list[Told]:
    now = utcnow()
    flags: list[Flag] = run.open_flags  # type: ignore[attr-defined]  # prefetched under this name
    for flag in flags:
        flag.run, flag.sweep = run, run.sweep  # as they are fetched already
    return [flag_told(open_flag_of(flag), now) for flag in flags]


def run_told(run: Run) -> Told:
    """Return a run as a list shows it; its status, checkpoint and flags come with it."""
    status: RunStatus | None = getattr(run, "status", None)
    checkpoint = getattr(run, "checkpoint", None)
    same = ("epoch", "target_epochs", "step", "percent")
    return {
        "run": run.run_id,
        "name": run.name,
        "project": run.project_path,
        "url": run.url,
        "sweep": run.sweep.sweep_id if run.sweep else None,
        "state": run.state,
        "slurm_state": status.slurm_state if status else None,
        "job": status.job.job_id if status and status.job else None,
        "verdict": (status.verdict if status else "") or "unknown",
        "reason": with_ages(status.verdict_reason, utcnow()) if status else "It was not judged yet.",
        "action": status.action if status else "",
        **{name: getattr(status, name) if status else None for name in same},
        "crash_class": status.crash_class if status else "",
        "resumable": status.resumable if status else "",
        "flags": [flag.rule for flag in run.open_flags],  # type: ignore[attr-defined]  # prefetched
        "checkpoint_step": checkpoint.step if checkpoint else None,
        "checkpoint_at": checkpoint.modified_at if checkpoint else None,
        "heartbeat_at": run.heartbeat_at,
    }
