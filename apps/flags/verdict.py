"""The one next action for a run, and for a sweep, with the evidence in order. Pure.

Practice: 'Favor resumes over restarts' and 'Cross-reference W&B with Slurm'. A run that has progress is resumed; a
fatal config error is mended first; without a checkpoint agents are relaunched into the same sweep; a restart is only
for what can neither be resumed nor relaunched, and names the fatal error. One signal is never trusted alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from apps.core.units import age_mark, number
from apps.flags.domain import Resumable, RunFacts
from apps.flags.rules.crash import Failure
from apps.links.states import MOVED_ON, NO_JOB, UNKNOWN, Pair
from apps.sweeps.ports import LIVE_SWEEP_STATES


class Action(StrEnum):
    """What to do next."""

    HEALTHY = "healthy"
    WAIT = "wait"
    RESUME = "resume"
    CHANGE_THEN_RESUME = "change-then-resume"
    RELAUNCH = "relaunch agents"
    FIX_CONFIG = "fix config"
    MARK_CRASHED = "mark crashed"
    INVESTIGATE = "investigate"
    RESTART = "restart"
    DONE = "done"


class Agreement(StrEnum):
    """Whether the sources tell one story."""

    AGREE = "agree"
    DISAGREE = "disagree"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``action`` with its reason; ``change`` says what to change first, where that is the action.

    ``chain`` is the evidence in the order in which it was weighed, a sentence each.
    """

    action: Action
    reason: str
    agreement: Agreement
    chain: tuple[str, ...]
    change: str = ""


# Worst first: what a sweep as a whole needs is what its worst run needs.
URGENCY = (
    Action.RESTART,
    Action.FIX_CONFIG,
    Action.CHANGE_THEN_RESUME,
    Action.MARK_CRASHED,
    Action.RESUME,
    Action.RELAUNCH,
    Action.INVESTIGATE,
    Action.WAIT,
    Action.HEALTHY,
    Action.DONE,
)
CHANGES = {
    "cuda-oom": "lower the GPU memory: the next step of the OOM ladder (batch size first)",
    "host-oom": "raise the job's memory",
    "config-error": "fix the config",
    "missing-dependency": "fix the environment: a package is missing",
    "data-error": "fix the path of the data",
    "diverged": "an earlier checkpoint and a lower learning rate",
}


NOT_HEALTHY = frozenset({"stuck-running-unpopulated", "stale-heartbeat", "idle-gpu", "checkpoint-bad", "diverged"})
PATIENCE = 2  # times the policy's age of a stale heartbeat: so long is waited for two sources to agree


def verdict_of(facts: RunFacts, failure: Failure, alarms: Sequence[str] = ()) -> Verdict:
    """Return the next action for a run; a source that it would hang on and that does not answer means 'wait'.

    ``alarms`` are the rules that fire on it and are critical or of ``NOT_HEALTHY``: no run is healthy beside one.
    """
    action, reason = _decide(facts, failure)
    if action is Action.HEALTHY and alarms:
        action, reason = Action.INVESTIGATE, f"it runs, but {alarms[0]}"
    change = CHANGES.get(failure.crash_class, "") if action in (Action.CHANGE_THEN_RESUME, Action.FIX_CONFIG) else ""
    return Verdict(action, reason, _agreement(facts), _chain(facts, failure), change)


def _decide(facts: RunFacts, failure: Failure) -> tuple[Action, str]:
    pair = facts.meaning.pair
    if facts.wandb_state in ("deleted", "moved"):
        return Action.DONE, f"the run was {facts.wandb_state} on W&B"
    if "wandb" not in facts.known or (pair is Pair.UNKNOWN and facts.wandb_state != "finished"):
        return Action.WAIT, "a source that this hangs on does not answer"
    if pair is Pair.NORMAL:
        return _while_running(facts)
    if pair is Pair.WAITING:
        return Action.WAIT, "the job comes back by itself"
    if pair is Pair.ZOMBIE:
        return Action.MARK_CRASHED, "no job carries it; then resume it if it has progress"
    if pair in (Pair.STALE, Pair.DEAD_BUT_ALIVE):
        return _while_they_disagree(facts)
    if pair is Pair.DONE_PERHAPS:
        return _finished(facts, failure)
    return _ended_badly(facts, failure)


def _while_they_disagree(facts: RunFacts) -> tuple[Action, str]:
    """W&B learns of an end minutes after Slurm, and the other way round; what has not settled then does not."""
    job_end = facts.job.end_at if facts.job else None
    settled_by = max((at for at in (facts.heartbeat_at, job_end) if at is not None), default=facts.created_at)
    waits = timedelta(minutes=PATIENCE * facts.policy.stale_heartbeat_minutes)
    if settled_by is None or facts.now - settled_by <= waits:
        return Action.WAIT, facts.meaning.action
    if facts.meaning.pair is Pair.STALE:
        since = f"its job was {facts.slurm_state} {age_mark(settled_by)}"
        return Action.MARK_CRASHED, f"W&B still says {facts.wandb_state}, and {since}; then resume it"
    return Action.INVESTIGATE, f"the last heartbeat was {age_mark(settled_by)}, and its job still runs"


def _while_running(facts: RunFacts) -> tuple[Action, str]:
    if not facts.loss_is_finite:
        return Action.INVESTIGATE, "the loss is not a number"
    return Action.HEALTHY, "it trains"


def _finished(facts: RunFacts, failure: Failure) -> tuple[Action, str]:
    reached, target = facts.progress.epoch, facts.progress.target_epochs
    if reached is not None and target is not None and reached >= target:
        return Action.DONE, f"epoch {number(reached)} of {number(target)} is reached"
    if failure.crash_class:
        return _ended_badly(facts, failure)
    if reached is None or target is None:
        return Action.INVESTIGATE, "nothing proves that the target was reached"
    return Action.INVESTIGATE, f"it stopped at epoch {number(reached)} of {number(target)}: early stopping, or worse"


def _ended_badly(facts: RunFacts, failure: Failure) -> tuple[Action, str]:
    has_checkpoint = facts.checkpoint_at is not None
    crash = failure.crash_class or "unknown"
    if failure.resumable is Resumable.NO:
        return Action.FIX_CONFIG, f"{crash}: nothing can run before that is mended"
    if failure.resumable is None:
        return Action.INVESTIGATE, "nothing says how it ended"
    if failure.resumable is Resumable.LOOK_FIRST and not _only_lacks_a_checkpoint(failure, has_checkpoint):
        return Action.INVESTIGATE, f"{crash}: the evidence is too thin for a resume"
    if not has_checkpoint:
        return _from_the_start(facts, crash)
    if facts.checkpoint_sound in ("fail", "unsafe"):
        return Action.INVESTIGATE, f"{crash}, and the newest checkpoint is no good: {_what_is_left(facts)}"
    if failure.resumable is Resumable.AFTER_CHANGE:
        return Action.CHANGE_THEN_RESUME, f"{crash}, and there is a checkpoint"
    return Action.RESUME, f"{crash}, and there is a checkpoint"


def _from_the_start(facts: RunFacts, crash: str) -> tuple[Action, str]:
    """Without a checkpoint: agents of a sweep that goes on draw anew, and only what no sweep takes up is restarted."""
    if facts.sweep_state in LIVE_SWEEP_STATES:
        return Action.RELAUNCH, f"{crash}, and there is no checkpoint: relaunch agents into the same sweep"
    sweep = f"its sweep is {facts.sweep_state.lower()}" if facts.sweep_state else "it belongs to no sweep"
    return Action.RESTART, f"{crash}: there is no checkpoint, and {sweep}"


def _what_is_left(facts: RunFacts) -> str:
    return f"restore from {facts.good_checkpoint}" if facts.good_checkpoint else "verify the older ones"


SURELY_RESUMABLE = ("preemption", "time-limit", "node-failure", "nccl-timeout")


def _only_lacks_a_checkpoint(failure: Failure, has_checkpoint: bool) -> bool:
    """A cause that is known to be harmless is looked at first only because there is nothing to resume from."""
    return not has_checkpoint and failure.crash_class in SURELY_RESUMABLE


def _agreement(facts: RunFacts) -> Agreement:
    if facts.meaning.agree is None or not {"wandb", "slurm"} <= facts.known:
        return Agreement.UNKNOWN
    if facts.progress.disagreement or not facts.meaning.agree:
        return Agreement.DISAGREE
    return Agreement.AGREE


def _chain(facts: RunFacts, failure: Failure) -> tuple[str, ...]:
    return tuple(
        sentence
        for sentence in (_wandb(facts), _slurm(facts), _log(facts, failure), _progress(facts), _checkpoint(facts))
        if sentence
    )


def _wandb(facts: RunFacts) -> str:
    if "wandb" not in facts.known:
        return f"W&B does not answer; it last said {facts.wandb_state}."
    beat = f", last heartbeat {age_mark(facts.heartbeat_at)}" if facts.heartbeat_at else ""
    return f"{'The folder' if facts.offline else 'W&B'} says {facts.wandb_state}{beat}."


def _slurm(facts: RunFacts) -> str:
    job = facts.job
    if facts.slurm_state == UNKNOWN:
        return "Slurm says nothing of it."
    if facts.slurm_state == NO_JOB:
        return "Slurm knows no job of it."
    if job is None:
        return ""
    if facts.slurm_state == MOVED_ON:
        return f"Its agent's job {job.job_id} went on to run {facts.next_run}."
    status = f" with exit code {job.exit_code}:{job.exit_signal}" if job.exit_code is not None else ""
    doubt = "" if "slurm" in facts.known else " (Slurm does not answer now)"
    return f"Slurm says {facts.slurm_state} of job {job.job_id}{status}{doubt}."


def _log(facts: RunFacts, failure: Failure) -> str:
    if failure.proof is not None:
        proof = failure.proof
        return f"The log says {failure.crash_class}: {proof.text[:160]} ({proof.file}:{proof.line})."
    return f"No log line says why: {failure.crash_class}." if failure.crash_class else ""


def _progress(facts: RunFacts) -> str:
    progress = facts.progress
    if progress.epoch is None and progress.step is None:
        return "No source tells an epoch."
    reached = f"epoch {number(progress.epoch)}" if progress.epoch is not None else f"step {progress.step}"
    target = f" of {number(progress.target_epochs)}" if progress.target_epochs and progress.epoch is not None else ""
    other = f" {progress.disagreement}" if progress.disagreement else ""
    return f"The {progress.source}'s last is {reached}{target}.{other}"


def _checkpoint(facts: RunFacts) -> str:
    if facts.checkpoint_at is None:
        return "There is no checkpoint."
    step = f"step {facts.checkpoint_step}, " if facts.checkpoint_step is not None else ""
    return f"The newest checkpoint is {step}written {age_mark(facts.checkpoint_at)}; {_proof(facts)}."


def _proof(facts: RunFacts) -> str:
    if not facts.checkpoint_sound:
        return "nobody has proven it yet"
    if facts.checkpoint_sound == "pass":
        return "it was proven sound"
    good = f"; the newest good one is {facts.good_checkpoint}" if facts.good_checkpoint else ""
    return f"its proof said {facts.checkpoint_sound}: {facts.checkpoint_flaw.rstrip('.')}{good}"


@dataclass(frozen=True, slots=True)
class SweepStory:
    """What the next action of a sweep as a whole follows from.

    ``runs`` counts its judged runs by (next action, agreement of their sources); ``active`` and ``expected`` count its
    agents' jobs, and are None where no job is known. ``answers`` says whether W&B does.
    """

    state: str
    answers: bool
    runs: tuple[tuple[str, str, int], ...] = ()
    active: int | None = None
    expected: int | None = None


def verdict_of_sweep(story: SweepStory) -> Verdict:
    """Return the next action for a sweep: what its worst run needs, or agents where none of its runs does."""
    actions: dict[str, int] = {}
    for action, _, number_of in story.runs:
        actions[action] = actions.get(action, 0) + number_of
    missing = story.state == "RUNNING" and None not in (story.active, story.expected) and _few(story)
    found = sweep_action(actions, running=story.state in LIVE_SWEEP_STATES, agents_missing=missing)
    return Verdict(found, _reason_of_sweep(found, actions, story), _agreement_of_sweep(story), _chain_of_sweep(story))


def _few(story: SweepStory) -> bool:
    return (story.active or 0) < (story.expected or 0)


def _reason_of_sweep(action: Action, actions: dict[str, int], story: SweepStory) -> str:
    needing, every = actions.get(action.value, 0), sum(actions.values())
    if needing:
        return f"{needing} of its {every} runs" if every > 1 else "its one run"
    if action is Action.RELAUNCH:
        return f"{story.active} of {story.expected} agents are active"
    return "no run of it was judged yet" if not every else "no run needs anything"


def _agreement_of_sweep(story: SweepStory) -> Agreement:
    told = {agreement for _, agreement, _ in story.runs}
    if Agreement.DISAGREE.value in told:
        return Agreement.DISAGREE
    return Agreement.AGREE if story.answers and told <= {Agreement.AGREE.value} else Agreement.UNKNOWN


def _chain_of_sweep(story: SweepStory) -> tuple[str, ...]:
    state = story.state.lower()
    wandb = f"W&B says {state}." if story.answers else f"W&B does not answer; it last said {state}."
    jobs = f"Slurm knows {story.active} of {story.expected} expected agents alive."
    runs: dict[str, int] = {}
    for action, _, number_of in story.runs:
        runs[action or "not judged"] = runs.get(action or "not judged", 0) + number_of
    told = ", ".join(f"{number_of} {action}" for action, number_of in sorted(runs.items(), key=_by_urgency))
    odd = sum(number_of for _, agreement, number_of in story.runs if agreement == Agreement.DISAGREE.value)
    return (
        wandb,
        jobs if story.active is not None else "No job is known that works for it.",
        f"Its runs need: {told}." if told else "It has no run yet.",
        *([f"Of {odd} of them the sources disagree."] if odd else []),
    )


def _by_urgency(one: tuple[str, int]) -> int:
    return URGENCY.index(Action(one[0])) if one[0] in set(Action) else len(URGENCY)


def sweep_action(actions: Iterable[str], *, running: bool, agents_missing: bool) -> Action:
    """Return what a sweep as a whole needs: what its worst run needs, or agents where none of its runs does."""
    told: Sequence[Action] = [Action(action) for action in actions if action in set(Action)]
    worst = min(told, key=URGENCY.index, default=Action.WAIT if running else Action.DONE)
    calm = URGENCY.index(worst) >= URGENCY.index(Action.WAIT)
    return Action.RELAUNCH if calm and running and agents_missing else worst
