"""The gate: the practice's four checks and the preconditions, each with its evidence. Pure.

Practice: 'Checkpoint verification before a resume'. What is unknown does not pass. Whether a checkpoint is sound and
whether a job is alive can be overridden by nobody.
"""

import re
from collections.abc import Callable
from datetime import timedelta

from apps.core.units import ago, duration, size
from apps.flags.reading import differences, only_in_wandb, shared_keys
from apps.resume.domain import GateFacts, GateLine, LineState

PASS, FAIL, UNKNOWN = LineState.PASS, LineState.FAIL, LineState.UNKNOWN
RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")  # what a job's comment can name
MOST_NAMED = 6
CANCELLED_SWEEPS = frozenset({"CANCELED", "CANCELLED"})
MAY_GO_ON = frozenset({"crashed", "failed", "killed", "preempted", "preempting"})


def gate_lines(facts: GateFacts) -> list[GateLine]:
    """Return every line of the gate, the four checks first."""
    return [line(facts) for line in LINES]


def _exists(facts: GateFacts) -> GateLine:
    """'Checkpoint exists and is recent'; what a resume would lose is the time between it and the last sign of life."""
    title, newest = "Checkpoint exists and is recent", facts.newest
    if facts.checkpoints is None:
        return GateLine("exists", title, UNKNOWN, facts.checkpoints_problem or "Nobody listed them.", "try again")
    if newest is None:
        return GateLine("exists", title, FAIL, "There is no checkpoint.", "do not resume: investigate")
    found = f"{newest.words}, {size(newest.bytes)}, written {ago(facts.now - newest.modified_at)}"
    if facts.trained_at is None:
        evidence = f"{found}; nobody knows when training ended."
        return GateLine("exists", title, UNKNOWN, evidence, "investigate", overridable=True)
    lost = max(timedelta(), facts.trained_at - newest.modified_at)
    limit = timedelta(hours=facts.policy.checkpoint_stale_hours)
    evidence = f"{found}; training ended {duration(lost)} after it."
    if lost > limit:
        more = f" That is more than {duration(limit)}."
        return GateLine("exists", title, FAIL, f"{evidence}{more}", "do not resume: investigate", overridable=True)
    return GateLine("exists", title, PASS, evidence)


def _sound(facts: GateFacts) -> GateLine:
    """'Not corrupted'; the newest good one is named when the newest is bad."""
    title, newest = "Checkpoint is not corrupted", facts.newest
    if facts.checkpoints is None or newest is None:
        return GateLine("sound", title, UNKNOWN, "There is nothing to read.", "do not resume: investigate")
    evidence = f"{newest.path.rpartition('/')[2]}: {newest.reason.rstrip('.')}."
    if newest.sound == "pass":
        return GateLine("sound", title, PASS, evidence)
    good = next((one for one in facts.checkpoints or () if one.sound == "pass"), None)
    if good is not None:
        action = f"restore from {good.path} ({good.words}): move the newer one away"
    else:
        action = "restore from a backup: none of those read is good"
    state = UNKNOWN if newest.sound not in ("fail", "unsafe") else FAIL
    word = "Unsafe, not loaded: " if newest.sound == "unsafe" else ""
    return GateLine("sound", title, state, f"{word}{evidence}", action)


def _config(facts: GateFacts) -> GateLine:
    """'Config matches': the run's own file against what W&B has, and both against what the sweep's YAML allows."""
    title = "Config matches"
    if facts.disk_config is None or facts.config_problem:
        told = facts.config_problem or "The run has no config file on disk."
        return GateLine("config", title, UNKNOWN, told, "fix the config, or restart", overridable=True)
    if not facts.wandb_state:
        return GateLine("config", title, UNKNOWN, "W&B told no config to compare with.", "try again")
    found = (*differences(facts.disk_config, facts.wandb_config, facts.policy.may_differ), *facts.not_intended)
    if found:
        told = f"{len(found)} {'key differs' if len(found) == 1 else 'keys differ'}: {'; '.join(found)}."
        return GateLine("config", title, FAIL, told, "fix the config, or restart", overridable=True)
    shared = shared_keys(facts.disk_config, facts.wandb_config)
    if not shared:
        told = "The file and W&B have no key in common, so nothing was compared."
        return GateLine("config", title, UNKNOWN, told, "look at both", overridable=True)
    told = f"{shared} values of {facts.config_path.rpartition('/')[2]} are W&B's."
    if missing := only_in_wandb(facts.disk_config, facts.wandb_config):
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        told += f" Not in the file, so not compared: {', '.join(missing[:MOST_NAMED])}{more}."
    return GateLine("config", title, PASS, told)


def _wandb_run(facts: GateFacts) -> GateLine:
    """'W&B run exists', asked now, and the config on disk is of the same run."""
    title, action = "W&B run exists", "resume to the same run id only"
    if facts.wandb_state is None:
        return GateLine("wandb-run", title, UNKNOWN, facts.wandb_problem or "W&B was not asked.", "try again")
    if not facts.wandb_state:
        return GateLine("wandb-run", title, FAIL, f"W&B does not know run {facts.run_id}.", "do not resume")
    if not RUN_ID.fullmatch(facts.run_id):
        told = "The run's id has characters that a job's comment cannot carry."
        return GateLine("wandb-run", title, FAIL, told, "resume it by hand")
    if facts.disk_run_id and facts.disk_run_id != facts.run_id:
        told = f"The config on disk is of run {facts.disk_run_id}, not of {facts.run_id}."
        return GateLine("wandb-run", title, FAIL, told, action)
    if not facts.disk_run_id:
        told = f"W&B says {facts.wandb_state}; no wandb_run_id in the config on disk proves that it is the same run."
        return GateLine("wandb-run", title, UNKNOWN, told, action, overridable=True)
    return GateLine(
        "wandb-run", title, PASS, f"W&B says {facts.wandb_state}; the config on disk names {facts.run_id} too."
    )


def _no_live_job(facts: GateFacts) -> GateLine:
    title = "No live job carries the run"
    if facts.live_job is None:
        return GateLine("no-live-job", title, UNKNOWN, facts.slurm_problem or "Slurm was not asked.", "try again")
    if facts.live_job:
        told = f"{facts.live_job} carries it or may carry it."
        return GateLine("no-live-job", title, FAIL, told, "wait for that job, or cancel it by its name")
    return GateLine("no-live-job", title, PASS, "Slurm was asked just now: no job in the queue is this run's.")


def _crash_class(facts: GateFacts) -> GateLine:
    return crash_class_line(facts.crash_class, facts.resumable, facts.change)


_LOOK = {
    "data-error": "read the log, mend the data, and say below what was changed",
    "diverged": "read the log; move the checkpoints of the diverged steps away, and say below what was changed",
}


def crash_class_line(crash_class: str, resumable: str, change: str) -> GateLine:
    """Whether the reason of the run's end allows a resume; ``change`` is what was chosen to be changed."""
    title, name = "Its crash allows a resume", crash_class or "no crash class"
    if resumable == "yes":
        return GateLine("crash-class", title, PASS, f"{name}: resumable.")
    if resumable == "after a change":
        if change:
            return GateLine("crash-class", title, PASS, f"{name}: resumable after a change. Chosen: {change}.")
        return GateLine("crash-class", title, FAIL, f"{name}: resumable after a change, and none is chosen.",
                        "choose the change below")  # fmt: skip
    if resumable == "no":
        return GateLine("crash-class", title, FAIL, f"{name}: nothing can run before that is mended.",
                        "fix the config or the environment", overridable=True)  # fmt: skip
    if resumable == "look first" and change:
        return GateLine("crash-class", title, PASS, f"{name}: looked at by a person, and mended. Chosen: {change}.")
    if resumable == "look first":
        return GateLine("crash-class", title, FAIL, f"{name}: the evidence is too thin.",
                        _LOOK.get(crash_class, "read the log first"), overridable=True)  # fmt: skip
    return GateLine("crash-class", title, UNKNOWN, "Nothing says how it ended.", "read the log first", overridable=True)


def _not_finished(facts: GateFacts) -> GateLine:
    """A finished run is over, unless its job died and its epochs prove that W&B is wrong."""
    title, state = "W&B run is not finished", facts.wandb_state
    if not state:
        return GateLine("not-finished", title, UNKNOWN, facts.wandb_problem or "W&B tells no state.", "try again")
    if state in MAY_GO_ON:
        return GateLine("not-finished", title, PASS, f"W&B says {state}.")
    if state == "finished":
        below = facts.epoch is not None and facts.target_epochs is not None and facts.epoch < facts.target_epochs
        if below and facts.crash_class:
            told = f"W&B says finished, but at epoch {facts.epoch:g} of {facts.target_epochs:g} by {facts.crash_class}."
            return GateLine("not-finished", title, PASS, told)
        return GateLine("not-finished", title, FAIL, "W&B says finished, and nothing proves that it is wrong.",
                        "check that the epochs reach the target", overridable=True)  # fmt: skip
    action = "mark it as failed first, if no job carries it" if state in ("running", "pending") else "look at W&B"
    return GateLine("not-finished", title, FAIL, f"W&B says {state}.", action)


def _disk(facts: GateFacts) -> GateLine:
    title, newest, free = "Disk has room for the next checkpoints", facts.newest, facts.free_bytes
    if free is None or newest is None:
        return GateLine("disk", title, UNKNOWN, "Nobody knows how much room is left.", "look at the disk", True)
    wanted, count = newest.bytes * facts.policy.spare_checkpoints, facts.policy.spare_checkpoints
    told = f"{size(free)} free; {count} checkpoints like the newest need {size(wanted)}."
    if free < wanted:
        return GateLine("disk", title, FAIL, told, "make room first", overridable=True)
    return GateLine("disk", title, PASS, told)


def _sweep(facts: GateFacts) -> GateLine:
    title = "Its sweep is not cancelled"
    if not facts.sweep_id:
        return GateLine("sweep", title, PASS, "The run belongs to no sweep.")
    if not facts.sweep_state:
        told = facts.sweep_problem or f"W&B does not tell of sweep {facts.sweep_id}."
        return GateLine("sweep", title, UNKNOWN, told, "try again", overridable=True)
    told = f"W&B says {facts.sweep_state} of sweep {facts.sweep_id}."
    if facts.sweep_state in CANCELLED_SWEEPS:
        return GateLine("sweep", title, FAIL, told, "ask who cancelled it", overridable=True)
    return GateLine("sweep", title, PASS, told)


def _recipe(facts: GateFacts) -> GateLine:
    title = "Sweepboard knows how to continue it"
    if facts.lacks:
        return GateLine("recipe", title, FAIL, facts.lacks, "write [workspace.recipe] in sweepboard.toml")
    return GateLine("recipe", title, PASS, facts.how)


LINES: tuple[Callable[[GateFacts], GateLine], ...] = (
    _exists,
    _sound,
    _config,
    _wandb_run,
    _no_live_job,
    _crash_class,
    _not_finished,
    _disk,
    _sweep,
    _recipe,
)
