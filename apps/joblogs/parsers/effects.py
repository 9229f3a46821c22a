"""Lines that come with a crash and are not its cause: what others say when one process has died.

Sources: torchrun and torch.distributed of torch 1.13 to 2.13, bash, srun and slurmstepd of Slurm 22.05 to 25.11,
CPython's own words around tracebacks.
"""

import re
from enum import StrEnum

from apps.joblogs.parsers.causes import cause_in


class Sign(StrEnum):
    """What a line is a sign of, where it is no cause by itself."""

    EFFECT = "effect"  # of another process's end
    KILLED = "killed"  # by SIGKILL, nobody says why
    ENDED = "ended"  # told to end from outside, without a reason
    INTERRUPTED = "interrupted"  # KeyboardInterrupt
    NCCL = "nccl"  # an error of NCCL that is no time-out
    CAUGHT = "caught"  # the program says that it goes on after an error
    TRACEBACK = "traceback"  # of an exception whose own line is not known


class Context(StrEnum):
    """What a line says of the error that the next lines tell."""

    NONE = ""
    IGNORED = "ignored"  # Python goes on after it
    CHAINED = "chained"  # raised while the one before it was handled, or from it
    ROOT = "root"  # torchrun tells the first failure of all ranks


_EFFECTS = re.compile(
    r"SignalException: |ChildFailedError: |CalledProcessError: |BrokenPipeError: "
    r"|Connection(?:Reset|Aborted)Error: |\(pids? [\d, ]{1,60}\) is killed by signal: Terminated"
    r"|Error: .{0,200}(?:Connection (?:closed|reset) by peer|NCCL communicator was aborted|ncclRemoteError)"
    r"|Dist(?:Network|Store)Error: |Rendezvous(?:Connection|Closed)Error"
    r"|terminate called after throwing an instance of 'c10::|taking the entire process down"
)
_WEAK: list[tuple[Sign, re.Pattern[str]]] = [
    (
        Sign.KILLED,
        re.compile(
            r"^Killed\s{0,4}$|: line \d{1,6}:\s{1,4}\d{1,9} Killed(?:\s|$)|^srun: error: .{0,200}: Killed"
            r"|failed \(exitcode: -9\)|local_rank: \d{1,6}.{0,60}exitcode: -9\b"
        ),
    ),
    (Sign.EFFECT, re.compile(r"failed \(exitcode: -?\d{1,3}\)|^srun: error: .{0,200}: (?:Exited with|Terminated)")),
    (
        Sign.ENDED,
        re.compile(
            r"(?<!['\"`])(?:slurmstepd|srun|local)(?:-[\w.-]{1,60})?: error: .{0,100}CANCELLED AT "
            r"|^Terminated\s{0,4}$|: line \d{1,6}:\s{1,4}\d{1,9} Terminated(?:\s|$)"
        ),
    ),
    (Sign.INTERRUPTED, re.compile(r"^KeyboardInterrupt(?::|\s{0,4}$)|SignalException: ")),
    (
        Sign.TRACEBACK,
        re.compile(r"^(?:.{0,120} )?Traceback \(most recent call last\):|^Error executing job with overrides"),
    ),
]
SIGNS = frozenset(sign.value for sign in Sign)
_NCCL = re.compile(r"Error: .{0,400}(?:NCCL error|nccl(?:System|Internal)Error)")
_SIGNS = re.compile(
    "Killed|exitcode: |CANCELLED AT|Terminated|KeyboardInterrupt|SignalException|Traceback|Error executing|srun"
)
_CHILD_TEST = "can only test a child process"  # what torch's workers say at exit, and no harm
_CONTEXTS = (
    (Context.IGNORED, re.compile(r"^Exception ignored in")),
    (Context.CHAINED, re.compile(r"^(?:During handling of the above|The above) exception")),
    (Context.ROOT, re.compile(r"^Root Cause \(first observed failure\)")),
)
_CAUGHT = re.compile(
    r"\b[Rr]etrying\b|\b[Tt]rying (?:again|batch size)|\b[Ff]alling back\b|\b[Ii]gnoring\b"
    r"|\b[Ss]kipping (?:this |the )?(?:\w{1,20} )?(?:batch|sample|step)"
    r"|\b(?:[Dd]ecreas|[Rr]educ|[Ll]ower|[Hh]alv)ing (?:the )?(?:\w{1,20} )?batch size"
)


def sign_in(line: str) -> str | None:
    """Return the crash class that a line is evidence of, else the ``Sign`` that it is, else None."""
    cause = cause_in(line)
    if cause is not None:
        return None if _CHILD_TEST in line else _weaker(cause, line)
    if _EFFECTS.search(line):
        return Sign.EFFECT.value
    if not _SIGNS.search(line):
        return None
    return next((sign.value for sign, pattern in _WEAK if pattern.search(line)), None)


def _weaker(cause: str, line: str) -> str:
    """An error that is raised because another process has ended is an effect, whatever its class would be."""
    if cause != "nccl-timeout" and _EFFECTS.search(line):
        return Sign.EFFECT.value
    return Sign.NCCL.value if cause == "python-error" and _NCCL.search(line) else cause


def follows_a_signal(line: str) -> bool:
    """Tell whether an error is only what a process that was told to end says about it."""
    return _EFFECTS.search(line) is not None or "KeyboardInterrupt" in line


def context_in(line: str) -> Context | None:
    """Return what a line says of the error that is told after it."""
    return next((context for context, pattern in _CONTEXTS if pattern.search(line)), None)


def says_caught(line: str) -> bool:
    """Tell whether the program says that it goes on after an error: ``Batch size 32 failed, trying batch size 16``."""
    return _CAUGHT.search(line) is not None
