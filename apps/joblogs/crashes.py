"""Why a job died and whether it can be resumed, decided from what is known of its end. Pure.

Practice: 'Favor resumes over restarts' and 'Cross-reference W&B with Slurm'. Read in this order: the job's stderr,
Slurm's accounting, the W&B state, the log's last lines, the checkpoints. What counts is the first cause on the last
attempt: torchrun's table, processes that are told to end and NCCL's watchdogs are effects of it. Without evidence the
answer is 'look first', because a wrong 'yes' is the worst one.
"""

from collections.abc import Iterable

from apps.joblogs.endings import (
    ALIVE,
    BY_STATE,
    NONE,
    RESUMABLE,
    SLURMS,
    STOPS_AT_ONCE,
    UNKNOWN,
    Clue,
    Decision,
    Ending,
    Resume,
)
from apps.joblogs.parsers import Sign, hint_in


def decide(ending: Ending) -> Decision:
    """Return the crash class of a job, 'none' where nothing failed, 'unknown' where nothing tells."""
    clues = sorted(ending.clues, key=lambda clue: not is_stderr(clue.file))
    caught = any(clue.crash_class == Sign.CAUGHT for clue in clues)
    clues = [clue for clue in clues if clue.crash_class != Sign.CAUGHT]
    live = [clue for clue in clues if clue.went_on is not True]
    if not ending.went_badly and (ending.job_state or ending.wandb_state):
        return _ended_well(ending, live)
    if ending.reached_target and not ending.went_badly:
        live = [clue for clue in live if not _is_history(clue, caught)]
    return _checked(ending, _ended_badly(ending, live, clues))


def is_stderr(file: str) -> bool:
    """Tell by its name whether a log is a job's stderr."""
    name = file.rpartition("/")[2].lower()
    return name.endswith((".err", ".stderr")) or name.startswith(("err.", "stderr."))


def _is_history(clue: Clue, caught: bool) -> bool:
    """Tell whether a run that reached its target must have overcome an error, though no line shows which came first.

    A last epoch under way reads like one that is over, so that memory counts as overcome only where a log says so.
    """
    overcome = clue.crash_class in STOPS_AT_ONCE or (caught and clue.crash_class == "cuda-oom")
    return clue.went_on is None and overcome


def _ended_well(ending: Ending, live: list[Clue]) -> Decision:
    """Neither Slurm nor W&B says that it failed; a loss that is no number does, and what a script's exit code hid."""
    if ending.wandb_state != "finished" and (ending.job_state in ALIVE or not ending.job_state):
        return Decision(NONE, Resume.NO, reason="It is still under way.")
    diverged = next((clue for clue in live if clue.crash_class == "diverged"), None)
    if diverged is not None:
        return _because(diverged, live)
    hidden = ending.job_state == "COMPLETED" and ending.wandb_state not in ("finished", "preempting", "pending")
    cause = _first_cause(live) if hidden and not ending.reached_target else None
    if cause is not None:
        return _checked(ending, _because(cause, live))
    return Decision(NONE, Resume.NO, reason="Slurm or W&B says that it ended well, and no log says otherwise.")


def _ended_badly(ending: Ending, live: list[Clue], all_clues: list[Clue]) -> Decision:
    cause = _first_cause(live)
    slurms = _slurms_word(ending, live)
    if slurms is not None:
        return _slurm_ended_it(ending, live, cause, *slurms)
    if cause is not None:
        return _because(cause, live)
    signs = [clue for clue in live if clue.crash_class in set(Sign)]
    if not signs and not ending.went_badly:
        return _silence(ending)
    return _by_signs(ending, signs, all_clues)


def _slurms_word(ending: Ending, live: list[Clue]) -> tuple[str, Clue | None] | None:
    """Return what Slurm did to the job by its accounting or by its line in the log, with that line."""
    by_state = BY_STATE.get(ending.job_state)
    if by_state is None and ending.wandb_state in ("preempting", "preempted"):
        by_state = "preemption"
    told = [clue for clue in live if clue.crash_class in ({by_state} if by_state else SLURMS)]
    if by_state is None and not told:
        return None
    return (by_state or told[0].crash_class), (told[0] if told else None)


def _slurm_ended_it(
    ending: Ending, live: list[Clue], cause: Clue | None, crash_class: str, line: Clue | None
) -> Decision:
    """An error before Slurm's word, after which nothing went on, is the first cause: the rest of the job only hung."""
    if cause is None or crash_class == "host-oom" or cause is line or _is_after(cause, line):
        return _decided(crash_class, line, live, f"Slurm ended it: {crash_class}.")
    if cause.went_on is False and not cause.loss:
        return _because(cause, live)
    where = f"{cause.file} line {cause.line}"
    reason = f"Slurm ended it: {crash_class}; but {where} tells of an error that nothing explains."
    return Decision(crash_class, Resume.LOOK_FIRST, (line,) if line else (), reason)


def _is_after(clue: Clue, other: Clue | None) -> bool:
    return other is not None and clue.file == other.file and clue.line > other.line > 0


def _first_cause(live: list[Clue]) -> Clue | None:
    """Return the first cause among the lines of the last attempt; None where there are only effects."""
    causes = [one for one in live if one.crash_class not in SLURMS and one.crash_class in RESUMABLE]
    strong = _unchained([one for one in causes if one.crash_class != "nccl-timeout" and not one.loss])
    watchdog = next((one for one in causes if one.crash_class == "nccl-timeout"), None)
    loss = next((one for one in causes if one.loss), None)
    memory = next((one for one in strong if one.crash_class == "host-oom"), None)
    first = strong[0] if strong else None
    if first is not None and memory is not None and _may_be_memory(first):
        first = memory
    if first is memory and memory is not None:  # Slurm tells of it when the step ends, later than who waited for it
        return memory
    if first is not None and not (loss is not None and first.crash_class == "python-error"):
        return watchdog if watchdog is not None and _is_after(first, watchdog) else first
    if loss is not None:
        return loss
    killed = next((one for one in live if one.crash_class == Sign.KILLED), None)
    return None if watchdog is not None and killed is not None and not _is_after(killed, watchdog) else watchdog


def _may_be_memory(clue: Clue) -> bool:
    """What a process says whose child was killed for its memory."""
    return clue.crash_class == "python-error" or "DataLoader worker" in clue.text


def _unchained(strong: list[Clue]) -> list[Clue]:
    """Of errors raised one from another the first counts, unless a later one tells more than 'a Python error'."""
    while len(strong) > 1 and strong[0].crash_class == "python-error" and strong[1].chained:
        head = strong[:1] if strong[1].crash_class == "python-error" else strong[1:2]
        strong = [*head, *strong[2:]]
    return strong


def _because(cause: Clue, live: list[Clue]) -> Decision:
    hint = hint_in(cause.text)
    where = f"{cause.file} line {cause.line}" if cause.line else cause.file
    return _decided(cause.crash_class, cause, live, f"The first cause is in {where}{f' ({hint})' if hint else ''}.")


def _decided(crash_class: str, proof: Clue | None, live: list[Clue], reason: str) -> Decision:
    more = [clue for clue in live if clue.crash_class == crash_class and clue is not proof]
    return Decision(crash_class, RESUMABLE[crash_class], (*((proof,) if proof else ()), *more)[:5], reason)


def _by_signs(ending: Ending, signs: list[Clue], all_clues: list[Clue]) -> Decision:
    """Nothing names a cause: what is left are signs that something failed."""
    told = {clue.crash_class for clue in signs}
    proof = tuple(signs[:5])
    if Sign.NCCL in told:
        return Decision("nccl-timeout", Resume.LOOK_FIRST, proof, "NCCL failed, and no line tells of a time-out.")
    overcome = [one for one in all_clues if one.went_on and one.crash_class in RESUMABLE and not one.loss]
    if overcome and Sign.EFFECT in told:  # one process died of it while others went on for a moment
        reason = "A process died; the last error that was told may have been caught."
        return Decision(overcome[-1].crash_class, Resume.LOOK_FIRST, (overcome[-1], *proof)[:5], reason)
    from_outside = Sign.ENDED in told or Sign.KILLED in told or ending.job_state == "CANCELLED"
    if not from_outside and told & {Sign.INTERRUPTED, Sign.TRACEBACK} and Sign.EFFECT not in told:
        return Decision("python-error", Resume.LOOK_FIRST, proof, "A traceback ends the log.")
    return Decision(UNKNOWN, Resume.LOOK_FIRST, proof, _why_unknown(ending, told))


def _why_unknown(ending: Ending, told: Iterable[str]) -> str:
    if Sign.KILLED in set(told) or ending.exit_code == 137 or 9 in (ending.exit_code, ending.exit_signal):
        return "It was killed; no line and no accounting says that it was for its memory."
    if Sign.ENDED in set(told) or ending.job_state == "CANCELLED":
        return "It was cancelled, and nothing says why."
    return "It failed, and no log says why."


def _silence(ending: Ending) -> Decision:
    """Nobody says that it failed, because nobody but the logs was asked."""
    if not ending.readable:
        return Decision(UNKNOWN, Resume.LOOK_FIRST, reason="The logs say nothing that can be read.")
    if ending.epoch is not None and ending.target_epochs and not ending.reached_target:
        reason = f"No log tells of an error; training is at epoch {ending.epoch:g} of {ending.target_epochs:g}."
        return Decision(NONE, Resume.LOOK_FIRST, reason=reason)
    return Decision(NONE, Resume.NO, reason="No log tells of an error.")


def _checked(ending: Ending, decision: Decision) -> Decision:
    """A 'yes' needs a checkpoint and a loss that is a number, and nothing that contradicts it."""
    if decision.resumable is not Resume.YES:
        return decision
    live = [clue for clue in ending.clues if clue.went_on is not True]
    proof = decision.proof[0] if decision.proof else None
    doubt = ""
    if ending.has_checkpoint is False:
        doubt = "There is no checkpoint to resume from."
    elif any(clue.loss or clue.crash_class == "diverged" for clue in live):
        doubt = "The loss was no number."
    elif decision.crash_class == "nccl-timeout" and any(_contradicts(clue, proof) for clue in live):
        doubt = "Another line tells of a process that died."
    if not doubt:
        return decision
    return Decision(decision.crash_class, Resume.LOOK_FIRST, decision.proof, f"{decision.reason} {doubt}".strip())


def _contradicts(clue: Clue, proof: Clue | None) -> bool:
    """An error beside a watchdog's that is not plainly its effect."""
    told = clue.crash_class == Sign.KILLED or (clue.crash_class in RESUMABLE and clue.crash_class != "nccl-timeout")
    return told and not _is_after(clue, proof)
