"""Lines in which an error is raised, by crash class."""

import re

# In the order in which one cause hides another; the class names are those of the crash classes. Every repetition in
# the middle of a pattern is bounded: an unbounded one makes a hostile line cost its length squared.
CAUSES: list[tuple[str, re.Pattern[str]]] = [
    ("preemption", re.compile(r"CANCELLED AT .{0,60} DUE TO PREEMPTION")),
    ("time-limit", re.compile(r"CANCELLED AT .{0,60} DUE TO TIME LIMIT")),
    ("node-failure", re.compile(r"CANCELLED AT .{0,60} DUE TO NODE FAILURE")),
    (
        "cuda-oom",
        # Not the bare words: a traceback shows the source line that raises them, too.
        re.compile(r"^\S{0,60}OutOfMemoryError: |(?:Error: |^)CUDA out of memory\. Tried to allocate"),
    ),
    (
        "host-oom",
        re.compile(
            r"oom_kill event|exceeded memory limit .{0,80} being killed"
            r"|^(?:slurmstepd|srun): error: .{0,200}Out Of Memory"
        ),
    ),
    ("config-error", re.compile(r"Key '[^']{0,200}' is not in struct|MissingMandatoryValue|ConfigAttributeError")),
    ("missing-dependency", re.compile(r"^(?:ModuleNotFoundError|ImportError): ")),
    (
        "data-error",
        re.compile(r"^FileNotFoundError: |DataLoader worker \(pid\(?s?\)? .{0,200} (?:killed|exited)"),
    ),
    ("nccl-timeout", re.compile(r"Watchdog caught collective operation timeout")),
    # The client's own complaints at exit are not why training ended.
    ("python-error", re.compile(r"^(?!wandb\.)(?:[a-zA-Z_][\w.]{0,200})?(?:Error|Exception): ")),
]
_SIGNS = re.compile(
    "CANCELLED AT|Error: |Exception: |ut of memory|Out Of Memory|oom_kill|memory limit|in struct|Missing|ConfigAttr"
    "|DataLoader worker|Watchdog"
)
_CLOSES = re.compile(r"CANCELLED AT .{0,60} DUE TO (?:PREEMPTION|NODE FAILURE|JOB REQUEUE)")

_EFFECTS = re.compile(
    r"SignalException: |KeyboardInterrupt|ChildFailedError: |CalledProcessError: |BrokenPipeError: "
    r"|ConnectionResetError: |\(pids? [\d, ]{1,60}\) is killed by signal: Terminated"
)


def cause_in(line: str) -> str | None:
    """Return the crash class that a line is evidence of.

    Only lines of the shapes in which these errors are raised count: the bare words occur in healthy
    logs, in help texts and in errors that were caught.
    """
    if not _SIGNS.search(line):
        return None
    return next((slug for slug, pattern in CAUSES if pattern.search(line)), None)


def closes_start(line: str) -> bool:
    """Tell whether Slurm says here that it takes the job away and will start it again.

    Source: slurmstepd's ``*** JOB 12 ON n1 CANCELLED AT … DUE TO PREEMPTION ***``.
    """
    return "CANCELLED AT" in line and _CLOSES.search(line) is not None


def follows_a_signal(line: str) -> bool:
    """Tell whether an error is only what a process that was told to end says about it."""
    return _EFFECTS.search(line) is not None
