"""All that the page of one run shows, in a fixed number of queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ObjectDoesNotExist

from apps.audit.models import AuditEvent
from apps.audit.selectors import Freshness, freshness
from apps.board.incidents import run_subject
from apps.board.selectors import followed
from apps.checkpoints.domain import newest
from apps.checkpoints.models import Checkpoint, RunConfig, Verification
from apps.flags.history import Moment, moment_of
from apps.flags.models import SEVERITY_ORDER, Flag, RunStatus
from apps.flags.rules.catalogue import switched_off
from apps.handovers.models import Handover
from apps.handovers.selectors import handovers_of_run, numbers_naming_jobs
from apps.links.selectors import LinkedJob, jobs_of_runs, left_at
from apps.memory.keys import CHECKPOINTING, LENGTH, PRECISION, Setting, find
from apps.pages.domain.batch import BatchArithmetic, arithmetic
from apps.pages.domain.configs import ConfigRow, drift
from apps.pages.domain.runlife import AttemptLife, RunLife
from apps.pages.models import RunNote
from apps.pages.selectors.logs import RunLog, logs_of
from apps.pages.selectors.progress import SourceProgress, progress_by_source
from apps.resume.models import ResumeRequest
from apps.sweeps.models import Run, RunStateChange
from apps.sweeps.ports import LIVE_RUN_STATES
from apps.workspaces.selectors import policy_of, workspace_by_project

MOST = 50
MOST_OF_AN_ID = 100  # projects that have one of the same id
MOST_STATES = 500
MOST_PAST = 8  # flags that are over; the inbox has them all


@dataclass(frozen=True)
class Checkpoints:
    """The newest checkpoint as it was listed last, its proof as it is now, and the newest that was proven good."""

    newest: Checkpoint | None
    proof: Verification | None
    good: Verification | None
    looked_at: int

    @property
    def good_is_newest(self) -> bool:
        return self.proof is not None and self.good is not None and self.proof.pk == self.good.pk


@dataclass(frozen=True)
class RunPage:
    """What is known of a run. ``status`` is None for one that was never judged.

    ``jobs_named`` tells by cluster and id how many handovers name a job.
    """

    run: Run
    status: RunStatus | None
    flags: list[Flag]
    past_flags: list[Flag]
    rules_off: list[tuple[str, str]]
    attempts: list[LinkedJob]
    jobs_named: dict[tuple[str, str], int]
    life: RunLife
    progress: list[SourceProgress]
    logs: list[RunLog]
    checkpoints: Checkpoints
    disk_config: RunConfig | None
    config: list[ConfigRow]
    batch: BatchArithmetic
    settings: list[Setting]
    parameters: int | None
    resumes: list[ResumeRequest]
    notes: list[RunNote]
    notes_in_all: int
    handovers: list[Handover]
    acts: list[Moment]
    sources: list[Freshness]

    @property
    def drifted(self) -> list[ConfigRow]:
        return [row for row in self.config if row.mark == "changed"]

    @property
    def named_attempts(self) -> list[tuple[LinkedJob, int]]:
        """Each attempt with the number of handovers that name its job."""
        return [(one, self.jobs_named.get((one.job.cluster, one.job.job_id), 0)) for one in self.attempts]

    @property
    def most_memory(self) -> int | None:
        """The most host memory that any attempt's largest step held, in bytes; None where nobody told it."""
        return max((one.job.max_rss_bytes for one in self.attempts if one.job.max_rss_bytes is not None), default=None)


def run_named(pk: int) -> Run | None:
    rows = Run.objects.select_related("sweep__workspace", "status__job", "checkpoint", "disk_config", "history")
    return rows.filter(pk=pk).first()


def runs_of_id(run_id: str) -> list[Run]:
    """Return the runs that W&B calls so, one of each project that has one; no database holds a NUL."""
    rows = Run.objects.defer("config", "summary").order_by("entity", "project", "pk")
    return [] if "\x00" in run_id else list(rows.filter(run_id=run_id)[:MOST_OF_AN_ID])


def run_page(run: Run, *, all_notes: bool = False) -> RunPage:
    """Return what the page of a run shows; ``run`` comes from ``run_named``. Of many notes the newest, unless all are
    asked for; of flags all that are open.
    """
    attempts = jobs_of_runs([run.pk]).get(run.pk, [])
    own = Flag.objects.filter(run=run)
    notes = RunNote.objects.filter(run=run)
    logs, traces = logs_of(run, attempts)
    proofs = list(Verification.objects.filter(run=run))
    disk = _one(run, "disk_config")
    workspace = run.sweep.workspace if run.sweep else workspace_by_project().get(run.project_path)
    policy = policy_of(workspace, *_sweep_words(run))
    return RunPage(
        run=run,
        status=_one(run, "status"),
        flags=sorted(own.standing(), key=lambda one: (SEVERITY_ORDER.get(one.severity, 9), one.rule)),
        past_flags=list(own.over().order_by("-opened_at")[:MOST_PAST]),
        rules_off=switched_off(policy, sweep=False),
        attempts=attempts,
        jobs_named=numbers_naming_jobs(one.job for one in attempts),
        life=life_of(run, attempts, seen=_states_seen(run)),
        progress=progress_by_source(run, traces),
        logs=logs,
        checkpoints=_checkpoints(run, proofs),
        disk_config=disk,
        config=drift(disk.values if disk and not disk.problem else {}, run.config, policy.may_differ),
        batch=arithmetic(run.config, *_gpus(attempts)),
        settings=_settings(run),
        parameters=_parameters(proofs),
        resumes=list(ResumeRequest.objects.filter(run=run).defer("evidence", "before")[:MOST]),
        notes=list(notes if all_notes else notes[:MOST]),
        notes_in_all=notes.count(),
        handovers=list(handovers_of_run(run).distinct()[:MOST]),
        acts=_acts(run),
        sources=sources_of(run.project_path, {one.job.cluster for one in attempts}),
    )


def _states_seen(run: Run) -> list[tuple[datetime, str]]:
    newest = RunStateChange.objects.filter(run=run).order_by("-seen_at", "-pk")
    return list(newest.values_list("seen_at", "state")[:MOST_STATES])[::-1]


def _one(run: Run, name: str) -> Any:
    """Return the row beside a run, None where there is none."""
    try:
        return getattr(run, name)
    except ObjectDoesNotExist:
        return None


def _sweep_words(run: Run) -> tuple[str, str]:
    return (run.sweep.sweep_id, run.sweep.name) if run.sweep else ("", "")


def life_of(run: Run, attempts: list[LinkedJob], name: str = "", seen: Sequence[tuple[datetime, str]] = ()) -> RunLife:
    """Return a run's life as it is drawn; an attempt ends for the run where its agent went on to the next one.

    ``seen`` are the states of W&B that passes saw, in the order of time.
    """
    return RunLife(
        name=name or run.name or run.run_id,
        state=run.state,
        live=run.state in LIVE_RUN_STATES,
        began=run.created_at,
        heard=run.trained_until or run.heartbeat_at,
        attempts=tuple(_attempt(run, one, attempts) for one in attempts),
        seen=tuple(seen),
    )


def _attempt(run: Run, one: LinkedJob, attempts: list[LinkedJob]) -> AttemptLife:
    job = one.job
    start, submit, end = job.start_at, job.submit_at, left_at(run, one, attempts)
    if start is not None and run.created_at is not None and job.submit_at < start < run.created_at:
        # An agent's job that had carried other runs before: its wait was not this run's.
        submit = start = run.created_at
    went_on = end is not None and end == one.next_run_at
    return AttemptLife(job.job_id, job.state, submit, start, end, job.gpus, job.nodes, went_on)


def _checkpoints(run: Run, proofs: list[Verification]) -> Checkpoints:
    last = _one(run, "checkpoint")
    proof = next((one for one in proofs if last is not None and one.holds_for(last)), None)
    sound = [one for one in proofs if one.sound == "pass" and not one.is_open]
    return Checkpoints(last, proof, newest(sound), len(proofs))


def _gpus(attempts: list[LinkedJob]) -> tuple[int | None, str]:
    if not attempts:
        return None, ""
    job = attempts[-1].job
    return job.gpus, f"job {job.job_id}"


def _settings(run: Run) -> list[Setting]:
    """What else of the config decides over a GPU's memory, the first key of each kind."""
    return [one for names in (PRECISION, CHECKPOINTING, LENGTH) for one in find(run.config, names)[:1]]


def _parameters(proofs: list[Verification]) -> int | None:
    counted = [one for one in proofs if one.sound == "pass" and one.parameters is not None]
    return max(counted, key=lambda one: one.modified_at).parameters if counted else None


def _acts(run: Run) -> list[Moment]:
    """What people did with the run, newest first; a namesake of another sweep is told apart where the event says."""
    own = run.sweep.sweep_id if run.sweep else ""
    events = AuditEvent.objects.filter(subject=run_subject(run))[:MOST]
    return [moment_of(one) for one in events if one.detail.get("sweep") in (None, own)]


def sources_of(project: str, clusters: set[str]) -> list[Freshness]:
    """Return how fresh W&B is about a project, and Slurm about these clusters; about every cluster without any."""
    told = [one for one in followed(freshness()) if one.source in ("wandb", "slurm")]
    mine = [one for one in told if (one.source == "wandb" and one.scope == project)]
    return mine + [one for one in told if one.source == "slurm" and (not clusters or one.scope in clusters)]
