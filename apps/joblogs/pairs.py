"""Which files are the two logs of one job, by their names. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# `train_12_3.out` and `.err`; `out.log` and `err.log` in a folder of their own; `train.o12` and `train.e12`.
_ENDS = re.compile(
    r"^(?P<stem>.*?)(?:(?:^|[._-])(?P<word>std?out|std?err|out|err)\.(?:log|txt)|\.(?P<end>out|err|stdout|stderr|log)"
    r"|\.(?P<letter>[oe])(?P<number>\d{1,12}(?:[.-]\d{1,9})?))\Z",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class LogPair:
    """The paths of a job's stdout and stderr; either may be missing, both may be one file under ``out``."""

    out: str | None = None
    err: str | None = None


def is_log(path: str) -> bool:
    """Tell by its name whether a file in a folder is a job's log."""
    return _ENDS.match(path.rpartition("/")[2]) is not None


def pair_logs(paths: Iterable[str]) -> list[LogPair]:
    """Return the pairs, in the order in which the paths first name one. A path of another shape is a job's only log."""
    pairs: dict[tuple[str, str], LogPair] = {}
    for path in dict.fromkeys(paths):
        key, is_err = _job_of(path)
        held = pairs.get(key, LogPair())
        if held.err if is_err else held.out:
            key, held = (path, path), LogPair()  # two of one kind: `x.out` and `x.log`
        pairs[key] = LogPair(held.out, path) if is_err else LogPair(path, held.err)
    return list(pairs.values())


def partners(path: str) -> list[str]:
    """Return the names that the other log of the same job may have beside this one."""
    folder, slash, name = path.rpartition("/")
    found = _ENDS.match(name)
    if found is None:
        return []
    if found["letter"]:
        other = {"o": "e", "e": "o", "O": "E", "E": "O"}[found["letter"]]
        start = found.start("letter")
        return [f"{folder}{slash}{name[:start]}{other}{name[start + 1 :]}"]
    group = "word" if found["word"] else "end"
    others = {"out": ["err"], "err": ["out", "log"], "stdout": ["stderr"], "stderr": ["stdout"], "log": ["err"]}
    start, stop = found.span(group)
    return [f"{folder}{slash}{name[:start]}{other}{name[stop:]}" for other in others.get(found[group].lower(), [])]


def _job_of(path: str) -> tuple[tuple[str, str], bool]:
    """Return what the two logs of a job have in common, and whether this one is its stderr."""
    folder, _, name = path.rpartition("/")
    found = _ENDS.match(name)
    if found is None:
        return (folder, name), False
    kind = (found["word"] or found["end"] or found["letter"]).lower()
    return (folder, f"{found['stem']}|{found['number'] or ''}"), kind in ("err", "stderr", "e")
