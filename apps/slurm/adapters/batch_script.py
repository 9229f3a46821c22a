"""Reads a batch script as sbatch does: its #SBATCH lines, time limits, arrays, GPUs. No I/O.

For the adapters that have no sbatch of their own to do it: local and memory.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from apps.core.errors import Permanent
from apps.slurm.adapters.slurm_text import task_numbers
from apps.slurm.ports import Submission

_SHORT = {
    "J": "job-name",
    "o": "output",
    "e": "error",
    "t": "time",
    "a": "array",
    "D": "chdir",
    "G": "gpus",
    "H": "hold",
    "p": "partition",
}
# Leaving these out would run a job at the wrong moment; most others only choose hardware.
_REFUSED = ("dependency", "begin", "wrap", "signal", "deadline")
_LIMIT = re.compile(r"(?:(?P<days>\d+)-)?(?P<clock>\d+(?::\d+){0,2})")


@dataclass(frozen=True, slots=True)
class BatchJob:
    """What a submission asks for, once the script's own lines and the options are put together.

    ``tasks`` is None for a plain job, else the array's indices; ``at_once`` bounds how many of them run.
    ``interpreter`` is the script's first line as a list, such as ``["/bin/bash"]``.
    """

    name: str
    comment: str
    work_dir: str
    stdout: str
    stderr: str
    append: bool
    held: bool
    limit_seconds: int | None
    gpus: int
    tasks: tuple[int, ...] | None
    at_once: int | None
    interpreter: tuple[str, ...]


def read_batch_job(script: str, submission: Submission, work_dir: str) -> BatchJob:
    """Return what ``submission`` asks for; ``script`` is the script's text.

    Options win over the script's lines, as with sbatch. Raises ``Permanent`` for what sbatch would refuse
    and for options that need a real scheduler.
    """
    options = {**directives(script), **submission.options}
    for name in _REFUSED:
        if name in options:
            raise Permanent(f"--{name} needs a real scheduler: this adapter cannot honour it.")
    tasks, at_once = _array(options.get("array"))
    stdout = options.get("output") or ("slurm-%j.out" if tasks is None else "slurm-%A_%a.out")
    return BatchJob(
        name=submission.name or options.get("job-name") or submission.script.rpartition("/")[2],
        comment=submission.comment or options.get("comment", ""),
        work_dir=options.get("chdir") or work_dir,
        stdout=stdout,
        stderr=options.get("error") or stdout,
        append=options.get("open-mode", "").startswith("a"),
        held="hold" in options,
        limit_seconds=limit_in_seconds(options.get("time", "")),
        gpus=gpus_asked_for(options),
        tasks=tasks,
        at_once=at_once,
        interpreter=_interpreter(script),
    )


def directives(script: str) -> dict[str, str]:
    """Return the options of the #SBATCH lines above the first command, by their long names."""
    found: dict[str, str] = {}
    for line in script.splitlines():
        if line.startswith("#SBATCH"):
            found |= _options(shlex.split(line.removeprefix("#SBATCH"), comments=True))
        elif line.strip() and not line.startswith("#"):
            break
    return found


def _options(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = ""
    for word in words:
        if word.startswith("--"):
            waiting, equals, value = word[2:].partition("=")
            found[waiting] = value
            waiting = "" if equals else waiting
        elif word.startswith("-") and len(word) > 1:
            waiting = _SHORT.get(word[1], word[1])
            found[waiting] = word[2:].removeprefix("=")
            waiting = "" if word[2:] else waiting
        elif waiting:
            found[waiting], waiting = word, ""
    return found


def limit_in_seconds(text: str) -> int | None:
    """Return ``--time`` in seconds: minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S; None for no limit."""
    if text.upper() in {"", "0", "-1", "UNLIMITED", "INFINITE"}:
        return None
    match = _LIMIT.fullmatch(text.strip())
    if match is None:
        raise Permanent(f"{text!r} is not a time limit such as 30, 1:30:00 or 2-12:00:00.")
    numbers = [int(part) for part in match["clock"].split(":")]
    if match["days"] is not None:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
        return ((int(match["days"]) * 24 + hours) * 60 + minutes) * 60 + seconds
    if len(numbers) == 1:
        return numbers[0] * 60
    hours, minutes, seconds = (0, *numbers)[-3:]
    return (hours * 60 + minutes) * 60 + seconds


def gpus_asked_for(options: Mapping[str, str]) -> int:
    """Return how many GPUs ``--gpus=a100:2`` or ``--gres=gpu:2`` asks for."""
    asked = options.get("gpus") or options.get("gpus-per-node") or ""
    for item in options.get("gres", "").split(","):
        if not asked and item.split(":")[0] == "gpu":
            asked = item.removeprefix("gpu").removeprefix(":") or "1"
    number = asked.rpartition(":")[2]
    return int(number) if number.isdigit() else int(bool(asked))


def _array(text: str | None) -> tuple[tuple[int, ...] | None, int | None]:
    if not text:
        return None, None
    throttle = text.partition("%")[2]
    return tuple(task_numbers(text)), int(throttle) if throttle.isdigit() else None


def _interpreter(script: str) -> tuple[str, ...]:
    first = script.partition("\n")[0]
    words = shlex.split(first[2:]) if first.startswith("#!") else []
    if not words:
        raise Permanent("This is not a batch script: its first line must be #! and an interpreter.")
    return tuple(words)
