"""What a restart would lose, the way that the practice allows, and whether the guard opens. Pure.

Practice: 'Favor resumes over restarts' of docs/practice.md. With a valid checkpoint a run is resumed; where nothing has
one and the sweep is valid, agents are relaunched into the same sweep; a new sweep is only for where neither can be.
What is unknown lets nobody through.
"""

from dataclasses import dataclass
from enum import StrEnum

from apps.core.errors import Transient
from apps.core.units import count, number
from apps.stopping.domain import Refused

TAKES_AGENTS = ("RUNNING", "PENDING")


class NotKnown(Transient):
    """Whether a restart is allowed cannot be told now: a source is silent, or a checkpoint is unread."""


class Way(StrEnum):
    """How to go on; the last two can be asked for."""

    RESUME = "resume"
    RELAUNCH = "relaunch"
    NEW_SWEEP = "new-sweep"


@dataclass(frozen=True, slots=True)
class RunFact:
    """What is known of one run. ``gpu_hours`` are summed over all its attempts, ``attempts`` counts them.

    ``checkpoint`` names the newest one, empty for none; ``sound`` is what its proof says (pass, fail, unsafe, unknown),
    empty while it is unread. ``good`` names an older one that is proven. ``proof`` is the log line of its crash.
    """

    pk: int
    run_id: str
    live: bool = False
    finished: bool = False
    epoch: float | None = None
    step: int | None = None
    gpu_hours: float = 0.0
    attempts: int = 0
    checkpoint: str = ""
    sound: str = ""
    good: str = ""
    crash_class: str = ""
    proof: str = ""

    @property
    def has_progress(self) -> bool:
        return bool(self.epoch or self.step or self.checkpoint)

    @property
    def valid_checkpoint(self) -> str:
        return self.checkpoint if self.sound == "pass" else self.good

    @property
    def unread(self) -> bool:
        return bool(self.checkpoint) and self.sound in ("", "unknown") and not self.good

    @property
    def can_be_resumed(self) -> bool:
        return bool(self.valid_checkpoint) and not self.live and not self.finished


@dataclass(frozen=True, slots=True)
class RestartFacts:
    """``subject`` is ``run aaa`` or ``sweep swp1``; ``runs`` are what would be started over.

    ``sweep_id`` is empty for a run outside a sweep; ``sweep_state`` None and ``live_jobs`` None where W&B or Slurm did
    not tell, with the reason in ``…_problem``. ``files_problem`` says why the checkpoints could not be listed.
    """

    subject: str
    runs: tuple[RunFact, ...]
    sweep_id: str = ""
    sweep_state: str | None = None
    wandb_problem: str = ""
    live_jobs: tuple[str, ...] | None = None
    slurm_problem: str = ""
    files_problem: str = ""
    of_run: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens the guard: the run whose fatal config error is named, or an admin's written reason."""

    fatal: str = ""
    reason: str = ""
    by_admin: bool = False


@dataclass(frozen=True, slots=True)
class Loss:
    """What would be started over. Epochs and steps are summed over the runs, GPU hours over all their attempts."""

    runs: int
    epochs: float
    steps: int
    gpu_hours: float
    attempts: int
    checkpoint: str

    def __str__(self) -> str:
        if not self.runs:
            return f"no progress ({self.gpu_hours:.1f} GPU hours in {count(self.attempts, 'attempt')})"
        kept = f"the newest good checkpoint is {self.checkpoint}" if self.checkpoint else "no good checkpoint is known"
        return (
            f"{number(round(self.epochs, 1))} epochs and {count(self.steps, 'step')} of {count(self.runs, 'run')}, "
            f"{self.gpu_hours:.1f} GPU hours in {count(self.attempts, 'attempt')}; {kept}"
        )


def loss_of(facts: RestartFacts) -> Loss:
    """Return what a restart would lose. The checkpoint is that of the run that is furthest."""
    moved = [run for run in facts.runs if run.has_progress]
    kept = [run for run in moved if run.valid_checkpoint]
    best = max(kept, key=lambda run: (run.epoch or 0.0, run.step or 0), default=None)
    return Loss(
        runs=len(moved),
        epochs=sum(run.epoch or 0.0 for run in moved),
        steps=sum(run.step or 0 for run in moved),
        gpu_hours=sum(run.gpu_hours for run in facts.runs),
        attempts=sum(run.attempts for run in facts.runs),
        checkpoint=f"{best.valid_checkpoint} of run {best.run_id}" if best else "",
    )


def config_errors(facts: RestartFacts) -> list[RunFact]:
    """Return the runs that died by a fatal config error that a log line proves."""
    return [run for run in facts.runs if run.crash_class == "config-error" and run.proof]


def check_is_known(facts: RestartFacts) -> None:
    """Raise ``NotKnown`` while anything is unknown that the guard hangs on."""
    if facts.sweep_id and facts.sweep_state is None:
        raise NotKnown(f"W&B did not tell of sweep {facts.sweep_id}: {facts.wandb_problem or 'it was not asked'}.")
    if facts.live_jobs is None:
        raise NotKnown(f"Unknown whether a job is alive: {facts.slurm_problem or 'Slurm was not asked'}.")
    if facts.files_problem:
        raise NotKnown(f"The checkpoints could not be listed: {facts.files_problem}")
    if unread := [run for run in facts.runs if run.unread]:
        more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
        raise NotKnown(
            f"Checkpoint {unread[0].checkpoint} of run {unread[0].run_id}{more} is unread and may be valid: verify it."
        )


def way_of(facts: RestartFacts) -> tuple[Way, str]:
    """Return the way that the practice allows, and why; ``NotKnown`` where that cannot be told."""
    check_is_known(facts)
    if ready := [run for run in facts.runs if run.can_be_resumed]:
        return Way.RESUME, f"{count(len(ready), 'run')} can be resumed from a valid checkpoint"
    if not facts.sweep_id:
        return Way.NEW_SWEEP, "it has no valid checkpoint and belongs to no sweep"
    if config_errors(facts) and not any(run.has_progress for run in facts.runs):
        return Way.NEW_SWEEP, "its config is fatally wrong, and nothing has trained with it"
    if facts.sweep_state in TAKES_AGENTS:
        return Way.RELAUNCH, f"nothing has a valid checkpoint to resume from, and W&B says {facts.sweep_state}"
    return Way.NEW_SWEEP, f"W&B says {facts.sweep_state or 'nothing'} of the sweep: it takes no agents"


def check_can_restart(facts: RestartFacts, wish: Way, opening: Opening) -> None:
    """Raise with a sentence for people unless ``wish`` is the way that the practice allows, or the guard is opened.

    ``NotKnown`` is never opened; neither is what cannot work: agents for a sweep that takes none, or a restart beside
    live jobs.
    """
    way, why = way_of(facts)
    _check_possible(facts, wish)
    loss = loss_of(facts)
    if way is wish and (wish is Way.RELAUNCH or not loss.runs):
        return
    if opening.fatal:
        if opening.fatal not in {run.run_id for run in config_errors(facts)}:
            raise Refused(f"No fatal config error of run {opening.fatal} is in the evidence.")
        return
    if opening.reason.strip():
        if not opening.by_admin:
            raise Refused("Only an admin may restart for a written reason.")
        return
    raise Refused(f"A restart of {facts.subject} would lose {loss}. The way is {SAID[way]}: {why}.")


SAID = {
    Way.RESUME: "to resume",
    Way.RELAUNCH: "to relaunch agents into the same sweep",
    Way.NEW_SWEEP: "a new sweep",
}


def _check_possible(facts: RestartFacts, wish: Way) -> None:
    if not facts.sweep_id:
        raise Refused("The run belongs to no sweep: nobody knows how it was begun. Submit its own script again.")
    jobs = facts.live_jobs or ()
    if jobs and (wish is Way.NEW_SWEEP or facts.of_run):
        raise Refused(f"Job {', '.join(jobs[:3])} is alive: wait for it, or cancel it by its name.")
    if wish is Way.RELAUNCH and facts.sweep_state == "PAUSED":
        raise Refused("The sweep is paused: resume it in W&B first.")
    if wish is Way.RELAUNCH and facts.sweep_state not in TAKES_AGENTS:
        raise Refused(f"W&B says {facts.sweep_state or 'nothing'} of the sweep: it sends agents home.")
