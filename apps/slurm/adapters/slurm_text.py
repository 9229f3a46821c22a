"""Reads the words of Slurm's text: times, limits, exit codes, GPUs, array ids, log patterns. No I/O."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath

from apps.core.errors import Permanent
from apps.slurm.domain import first_node

_ID = re.compile(r"[0-9]+(_[0-9]+)?")
_ARRAY = re.compile(r"(\d+)_\[(.+)\]")
_PATTERN = re.compile(r"%(\d*)([%AajJxuNnts])")
_NOTHING = frozenset({"", "(null)", "N/A", "None", "Unknown", "None assigned", "NONE"})
_MINUTES_UNKNOWN = frozenset({"UNLIMITED", "Partition_Limit", "NOT_SET", "INVALID", "INFINITE"})
_MOST_TASKS = 100_000
_LAST_SECOND = 253_402_300_800


def check_job_id(job_id: str) -> str:
    """Return ``job_id`` when it names one job or array task; otherwise raise ``Permanent``.

    Slurm's clients read more than that (lists, ranges, options), none of which may slip in here.
    """
    if not _ID.fullmatch(job_id):
        raise Permanent(f"{job_id!r} is not a job id: expected 12345, or 12345_7 for an array task.")
    return job_id


def words(text: str) -> str:
    """Return ``text``, or "" where Slurm writes one of its words for nothing."""
    text = text.strip()
    return "" if text in _NOTHING else text


def state_name(text: str) -> str:
    """Return the state's first word in capitals: ``CANCELLED by 0`` is ``CANCELLED``."""
    return text.split(maxsplit=1)[0].rstrip("+").upper() if text.strip() else "UNKNOWN"


def moment(text: str) -> datetime | None:
    """Return epoch seconds as an aware UTC time; None for 0 and for Slurm's words for never."""
    # Beyond the year 9999 it is no time but a number that went astray.
    return datetime.fromtimestamp(int(text), UTC) if text.isdecimal() and 0 < int(text) < _LAST_SECOND else None


def seconds(text: str) -> int | None:
    """Return ``1-02:03:04``, ``02:03:04``, ``03:04`` or ``04`` in seconds; None when it is no duration."""
    days, dash, clock = text.strip().rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in parts) or (dash and not days.isdigit()):
        return None
    total = 0
    for part in parts:
        total = total * 60 + int(part)
    return total + int(days or 0) * 86_400


def limit_seconds(minutes: str) -> int | None:
    """Return accounting's TimelimitRaw, in minutes, as seconds; None without a limit of its own."""
    return int(minutes) * 60 if minutes.isdigit() and minutes not in _MINUTES_UNKNOWN else None


def exit_pair(text: str) -> tuple[int | None, int | None]:
    """Return (exit code, signal) of ``3:0``: 9:0 is exit code 9, 0:9 is a kill by signal 9."""
    code, _, signal = text.partition(":")
    if not code.isdigit():
        return None, None
    return int(code), int(signal) if signal.isdigit() else 0


def gpu_count(tres: str) -> int:
    """Return how many GPUs ``cpu=1,gres/gpu=2,gres/gpu:a100=2`` holds: the total, not total plus types."""
    total, typed = None, 0
    for item in tres.split(","):
        name, _, number = item.partition("=")
        if not number.isdigit():
            continue
        if name == "gres/gpu":
            total = int(number)
        elif name.startswith("gres/gpu:"):
            typed += int(number)
    return typed if total is None else total


_GRES = re.compile(r"(?:^|,)gpu(?::([^:(,]+))??(?::(\d+))?(?=[(,]|$)")


def gpus_of_gres(gres: str) -> dict[str, int]:
    """Return the GPUs of ``gpu:a100:2(S:0-1),nvme:1`` by type; ``gpu:2`` and ``gpu`` have the type ''."""
    found: dict[str, int] = {}
    for name, number in _GRES.findall(gres.strip()):
        found[name] = found.get(name, 0) + int(number or 1)
    return found


def size(text: str) -> int:
    """Return accounting's size in bytes, ``71561216`` or ``69884K``; 0 where it tells none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTP]?)", text.strip())
    return int(float(match[1]) * 1024 ** " KMGTP".index(match[2] or " ")) if match else 0


def array_parts(job_id: str) -> tuple[int | None, int | None]:
    """Return (array id, task index) of ``118_7``, or (None, None) for a plain job."""
    array, _, task = job_id.partition("_")
    return (int(array), int(task)) if array.isdigit() and task.isdigit() else (None, None)


def task_numbers(text: str) -> list[int]:
    """Return the indices of an array text such as ``1,3-5,10-20:5%2``.

    Raises ``Permanent`` for text that is none, and beyond 100,000 tasks.
    """
    numbers: list[int] = []
    for part in text.partition("%")[0].split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part.strip())
        if match is None:
            raise Permanent(f"{text!r} is not a list of array tasks.")
        first, last, step = match[1], match[2] or match[1], match[3] or "1"
        tasks = range(int(first), int(last) + 1, max(1, int(step)))
        if len(numbers) + len(tasks) > _MOST_TASKS:
            raise Permanent(f"An array of more than {_MOST_TASKS} tasks is more than we can follow.")
        numbers.extend(tasks)
    return numbers


def each_task(job_id: str) -> list[str]:
    """Return the single ids of ``118_[2-3%1]``, which is how pending tasks come; else just ``job_id``."""
    match = _ARRAY.fullmatch(job_id)
    return [f"{match[1]}_{task}" for task in task_numbers(match[2])] if match else [job_id]


def log_path(pattern: str, work_dir: str, values: Mapping[str, str]) -> str:
    """Return the log's absolute path, ``%x-%j`` and the like filled in from ``values`` by their letter.

    "" while a part of the name is not known yet, such as the number of a pending array task.
    """
    pattern = words(pattern)
    if not pattern:
        return ""
    if "%" not in pattern:
        return pattern if pattern.startswith("/") else str(PurePosixPath(work_dir or "/") / pattern)
    unknown = False

    def fill(match: re.Match[str]) -> str:
        nonlocal unknown
        if match[2] == "%":
            return "%"
        value = values.get(match[2], "")
        unknown = unknown or not value
        return value.zfill(int(match[1])) if match[1] and value.isdigit() else value

    filled = _PATTERN.sub(fill, pattern)
    return "" if unknown else str(PurePosixPath(work_dir or "/") / filled)


def log_values(job_id: str, raw_id: int | None, name: str, user: str, nodes: str) -> dict[str, str]:
    """Return what each letter of a log pattern stands for; "" for what is not known yet."""
    array, task = array_parts(job_id)
    raw = "" if raw_id is None else str(raw_id)
    return {
        "A": raw if array is None else str(array),
        "a": NO_TASK if task is None else str(task),
        "j": raw,
        "J": raw,
        "x": name,
        "u": user,
        "N": first_node(nodes),
        "n": "0",
        "t": "0",
        "s": "batch",
    }


NO_TASK = "4294967294"  # what Slurm itself writes for %a outside of an array
