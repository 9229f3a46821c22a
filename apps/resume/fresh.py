"""What all sources say of a run's gate now. One that is silent makes its own lines unknown, and stops no other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from glob import escape
from pathlib import Path
from typing import Any

from apps.checkpoints.configs import MOST_BYTES, parsed
from apps.checkpoints.domain import newest_first
from apps.checkpoints.ports import CheckpointStore, FoundCheckpoint, Prover
from apps.checkpoints.verifying import keep_proof, whole_stamp
from apps.core.errors import SweepboardError
from apps.core.files import free_bytes
from apps.flags.models import RunStatus
from apps.flags.spaces import outside
from apps.links.live import live_attempt_now
from apps.resume.carried import carried
from apps.resume.domain import CheckpointFact, GateFacts
from apps.resume.places import how_to_continue, placed
from apps.slurm.ports import Scheduler
from apps.sweeps.asking import check_not_held, run_now
from apps.sweeps.models import Run
from apps.sweeps.ports import LIVE_RUN_STATES, RunRecord, SweepSource
from apps.workspaces.models import Workspace
from apps.workspaces.selectors import policy_of, workspace_by_project

Heard = Callable[[int], None]
Reader = Callable[[FoundCheckpoint], CheckpointFact]
MOST_READ = 4  # checkpoints that are read in search of a good one


@dataclass(frozen=True)
class Tools:
    """How to reach W&B, the schedulers and the files. Each is made when it is needed, because making one may fail."""

    source: Callable[[], SweepSource]
    schedulers: Callable[[], Mapping[str, Scheduler]]
    store: Callable[[], CheckpointStore]
    prover: Callable[[], Prover]


def gate_facts(
    tools: Tools,
    run: Run,
    now: datetime,
    *,
    change: str = "",
    known: CheckpointFact | None = None,
    heard: Heard = lambda amount: None,
) -> GateFacts:
    """Ask W&B, Slurm and the files, read the newest checkpoint, and return what the gate needs to know.

    ``known`` is a checkpoint that was read before: the same file, of the same size and time, is not read again.
    ``heard`` is told of the bytes that are read.
    """
    workspace = workspace_by_project().get(run.project_path)
    sweep = run.sweep
    facts = GateFacts(
        run_id=run.run_id,
        now=now,
        policy=policy_of(workspace, sweep.sweep_id if sweep else "", sweep.name if sweep else ""),
        sweep_id=sweep.sweep_id if sweep else "",
        trained_at=None if run.state in LIVE_RUN_STATES and run.state != "preempting" else _last_sign(run),
        change=change,
        **_judged(run),
    )
    facts = replace(facts, **_of_slurm(tools, run, now), **_of_wandb(tools, run, now))
    if workspace is None:
        return replace(facts, lacks=f"No workspace in sweepboard.toml names the project {run.project_path}.")
    facts = replace(facts, **_of_files(tools, run, workspace, _reading(tools, known, heard, run, now)))
    return replace(facts, **_how(tools, run, workspace))


def _last_sign(run: Run) -> datetime | None:
    return run.trained_until or run.heartbeat_at


def _judged(run: Run) -> dict[str, Any]:
    status = RunStatus.objects.filter(run=run).first()
    if status is None:
        return {}
    return {
        "crash_class": status.crash_class,
        "resumable": status.resumable,
        "epoch": status.epoch,
        "target_epochs": status.target_epochs,
    }


def _of_slurm(tools: Tools, run: Run, now: datetime) -> dict[str, Any]:
    try:
        attempt = live_attempt_now(tools.schedulers().values(), run, now)
    except SweepboardError as error:
        return {"live_job": None, "slurm_problem": str(error)}
    return {"live_job": f"Job {attempt.job_id} ({attempt.state})" if attempt else ""}


def _of_wandb(tools: Tools, run: Run, now: datetime) -> dict[str, Any]:
    if run.offline:
        return {"wandb_state": ""}
    try:
        record = run_now(tools.source, run, now)
    except SweepboardError as error:
        return {"wandb_state": None, "wandb_problem": str(error), "sweep_problem": str(error)}
    if record is None:
        return {"wandb_state": ""}
    told = {"wandb_state": record.state, "wandb_config": record.config, "wandb_summary": record.summary}
    told["not_intended"] = _not_intended(run, record.config)
    return {**told, **_of_sweep(tools, run, record, now)}


def _not_intended(run: Run, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the values outside the space of the run's sweep; what a resume changed on purpose is none."""
    parameters = run.sweep.config.get("parameters") if run.sweep else None
    changed = carried(run).config
    return outside(config, parameters, changed) if isinstance(parameters, Mapping) else ()


def _of_sweep(tools: Tools, run: Run, record: RunRecord, now: datetime) -> dict[str, Any]:
    sweep_id = record.sweep_id or (run.sweep.sweep_id if run.sweep else "")
    if not sweep_id:
        return {}
    try:
        check_not_held(run.project_path, now)
        source = tools.source()
        try:
            states = {one.sweep_id: one.state for one in source.sweeps(run.project_path)}
        finally:
            source.close()
    except SweepboardError as error:
        return {"sweep_id": sweep_id, "sweep_problem": str(error)}
    return {"sweep_id": sweep_id, "sweep_state": states.get(sweep_id)}


def _of_files(tools: Tools, run: Run, workspace: Workspace, read: Reader) -> dict[str, Any]:
    told: dict[str, Any] = {}
    store = tools.store()
    try:
        found = store.find(workspace.path, _patterns(run, workspace, "checkpoints"), workspace.links_into)
        told["checkpoints"] = _read(found, read)
        folder = Path(told["checkpoints"][0].path).parent if told["checkpoints"] else workspace.path
        told["free_bytes"] = free_bytes(folder)
    except SweepboardError as error:
        told["checkpoints_problem"] = str(error)
    try:
        told |= _config_on_disk(store, run, workspace)
    except SweepboardError as error:
        told["config_problem"] = str(error)
    return told


def _config_on_disk(store: CheckpointStore, run: Run, workspace: Workspace) -> dict[str, Any]:
    config = store.find_config(workspace.path, _patterns(run, workspace, "run_config"), workspace.links_into)
    if config is None:
        return {}
    values, problem = parsed(store.read_text(config.path, MOST_BYTES), config.bytes)
    return {
        "disk_config": values,
        "disk_run_id": str(values.get("wandb_run_id") or ""),
        "config_path": str(config.path),
        "config_problem": problem,
    }


def _patterns(run: Run, workspace: Workspace, kind: str) -> list[str]:
    values = {"run_id": escape(run.run_id), "sweep_id": "*", "job_id": "*", "task_id": "*"}
    return [pattern.format_map(values) for pattern in workspace.patterns(kind)]


def _read(found: list[FoundCheckpoint], proven: Reader) -> tuple[CheckpointFact, ...]:
    """Read the newest, and older ones only in search of a good one.

    A file whose name tells no step is the newest by its time alone. What it holds itself decides: where that is
    less than the next one's name tells, that one is read too, and stands in front where it is sound.
    """
    read: list[CheckpointFact] = []
    good: CheckpointFact | None = None
    for one in newest_first(found)[:MOST_READ]:
        if good is not None and (good.step is None or one.step is None or one.step <= good.step):
            continue
        fact = proven(one)
        sound = fact.sound == "pass"
        read.insert(read.index(good) if good is not None and sound else len(read), fact)
        good = fact if sound else good
    return tuple(read)


def _reading(tools: Tools, known: CheckpointFact | None, heard: Heard, run: Run, now: datetime) -> Reader:
    """Return how one checkpoint is read: not at all where it is the known one, unchanged. What is read is kept."""

    def read(one: FoundCheckpoint) -> CheckpointFact:
        if known is not None and (known.path, known.bytes, known.modified_at) == (
            str(one.path),
            one.bytes,
            one.modified_at,
        ):
            return known
        stamp = whole_stamp(one.path)
        proof = tools.prover().prove(one.path, heard)
        keep_proof(run=run, found=one, proof=proof, stamp=stamp, now=now)
        return CheckpointFact(
            path=str(one.path),
            step=one.step if one.step is not None else proof.step,
            epoch=one.epoch if one.epoch is not None else proof.epoch,
            bytes=one.bytes,
            modified_at=one.modified_at,
            sound=proof.sound,
            reason=proof.reason,
        )

    return read


def _how(tools: Tools, run: Run, workspace: Workspace) -> dict[str, Any]:
    try:
        return {"how": how_to_continue(placed(tools.schedulers(), run, workspace), workspace)}
    except SweepboardError as error:
        return {"lacks": str(error)}
