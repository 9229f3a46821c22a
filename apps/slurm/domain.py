"""What a job says of itself. Pure."""

import re
from datetime import datetime

RUN_COMMENT = "sweepboard:run="
_RUN_IN_COMMENT = re.compile(r"sweepboard:run=([A-Za-z0-9_-]{1,200})")


_KEY_IN_COMMENT = re.compile(r"sweepboard:key=([0-9a-z-]{8,60})(?![0-9a-z-])")


def comment_for_run(run_id: str, key: str = "") -> str:
    """Return the comment that Sweepboard writes on every job that it submits for a run.

    ``key`` is that of the request which it answers: by it a job is found again whose id nobody lived to note.
    """
    return f"{RUN_COMMENT}{run_id} sweepboard:key={key}" if key else f"{RUN_COMMENT}{run_id}"


_AGENT_COMMENT = re.compile(r"sweepboard:sweep=([A-Za-z0-9_-]{1,200}):key=([0-9a-z-]{8,60})(?![0-9a-z-])")


def comment_for_agent(sweep_id: str, key: str) -> str:
    """Return the comment of a job that Sweepboard submits as an agent of a sweep; ``key`` as above, one an agent."""
    return f"sweepboard:sweep={sweep_id}:key={key}"


def sweep_named_in(comment: str) -> str:
    """Return the sweep whose agent a job is by its comment; empty where it names none."""
    found = _AGENT_COMMENT.search(comment)
    return found[1] if found else ""


def key_named_in(comment: str) -> str:
    """Return the key of the request that a job's comment names; empty where it names none."""
    if agent := _AGENT_COMMENT.search(comment):
        return agent[2]
    found = _KEY_IN_COMMENT.search(comment)
    return found[1] if found else ""


def run_named_in(comment: str) -> str:
    """Return the W&B run that a job's comment names; empty where it names none."""
    found = _RUN_IN_COMMENT.search(comment)
    return found[1] if found else ""


def elapsed_seconds(start: datetime | None, end: datetime | None, told: int, now: datetime) -> int:
    """Return for how many seconds an attempt ran; ``told`` is what Slurm said at its end, 0 before.

    Slurm's own figure wins, since it leaves out the time in which a job was suspended.
    """
    if told or start is None:
        return told
    return max(0, int(((end or now) - start).total_seconds()))


def gpu_hours(gpus: int, start: datetime | None, end: datetime | None, since: datetime | None, now: datetime) -> float:
    """Return the GPU hours of one attempt between ``since`` (None: its beginning) and ``now``.

    ``end`` is None while it runs. An attempt that never started has none. Every attempt counts, also one
    that a later one replaced: its GPUs were taken all the same ('Every epoch is valuable' of docs/practice.md).
    """
    if start is None or not gpus:
        return 0.0
    begin = start if since is None else max(start, since)
    return gpus * max(0.0, (min(end or now, now) - begin).total_seconds()) / 3600


MOST_NODES = 10_000


def nodes_in(nodes: str) -> frozenset[str]:
    """Return every host of ``g[03-05,07],h1``; a range that is no range, or is endless, stays as it is written."""
    found: set[str] = set()
    for name, span in re.findall(r"([^,\[\]]+)(?:\[([^\]]*)\])?", nodes):
        for part in span.split(",") if span else [""]:
            first, dash, last = part.partition("-")
            if dash and first.isdigit() and last.isdigit() and int(last) - int(first) < MOST_NODES:
                found |= {f"{name}{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)}
            else:
                found.add(f"{name}{part}")
    return frozenset(found)


def first_node(nodes: str) -> str:
    """Return the first host of ``g[03-05,07],h1``: ``g03``. The batch script runs there."""
    match = re.match(r"([^,\[]+)(?:\[(\d+)[^\]]*\])?", nodes)
    return f"{match[1]}{match[2] or ''}" if match else ""
