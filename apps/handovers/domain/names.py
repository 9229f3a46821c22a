"""What a text names: sweeps, runs, jobs, branches, commits and other handovers."""

import re
from collections.abc import Iterable, Sequence

from apps.handovers.domain.document import Names
from apps.handovers.domain.keys import keys_in
from apps.handovers.domain.lines import Line
from apps.handovers.domain.tables import tables_in

MOST = 500  # of one kind in one document
_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{3,63}"
_MARKED = r"[\s:#=`'\"(\[*]{1,6}"
_SWEEPS = (
    re.compile(rf"/sweeps/({_ID})"),
    re.compile(rf"\bsweep(?:[ _-]?id)?{_MARKED}({_ID})", re.IGNORECASE),
    re.compile(r"\bwandb agent (?:--\S+ ){0,4}[\w.-]{1,100}/[\w.-]{1,100}/([A-Za-z0-9]{4,64})"),
)
_RUNS = (
    re.compile(rf"/runs/({_ID})"),
    re.compile(rf"\bruns?(?:[ _-]?id)?{_MARKED}({_ID})", re.IGNORECASE),
    re.compile(rf"\bWANDB_RUN_ID=[\"']?({_ID})"),
    re.compile(r"\b(?:offline-)?run-\d{8}_\d{6}-([A-Za-z0-9]{4,64})"),
)
_JOBS = (
    re.compile(r"\b(?:slurm )?job(?:s|[ _-]?id)?[\s:#=`'\"(\[*]{1,6}(\d{3,12}(?:_\d{1,7})?)(?![\w.])", re.IGNORECASE),
    re.compile(r"\bslurm-(\d{1,12}(?:_\d{1,7})?)\.(?:out|err)"),
    re.compile(r"\b(?:scancel|sacct -j|squeue -j|scontrol show job|Submitted batch job) (\d{1,12}(?:_\d{1,7})?)\b"),
    re.compile(r"\blogs/[\w.-]{1,120}?_(\d{3,12}(?:_\d{1,7})?)\.(?:out|err)"),
)
_BRANCH = r"[A-Za-z0-9][\w./-]{0,200}\w"
_BRANCHES = (
    re.compile(rf"\b(?:git )?branch[*_`]{{0,3}}\s?[:=]\s?[*_`]{{0,3}}\s?[`'\"]?({_BRANCH})", re.IGNORECASE),
    re.compile(rf"\bbranch `({_BRANCH})`", re.IGNORECASE),
    re.compile(rf"\bgit (?:checkout|switch)(?: -[bcB])? ({_BRANCH})"),
    re.compile(rf"\bgit worktree add(?: -b)? ({_BRANCH})"),
    re.compile(rf"`((?:feature|feat|fix|bugfix|hotfix|exp|experiment|chore|release)/{_BRANCH})`"),
)
_COMMITS = (
    re.compile(r"\bcommits?[\s:`'\"(\[*]{1,6}([0-9a-f]{7,40})\b", re.IGNORECASE),
    re.compile(r"/commit/([0-9a-f]{7,40})\b"),
    re.compile(r"\b(?:cherry-pick|revert|reset --hard|show) (?:-x )?([0-9a-f]{7,40})\b"),
)
_COLUMNS = {"sweeps": ("sweep", "sweep id"), "runs": ("run", "run id", "w&b run"), "jobs": ("job", "job id", "slurm")}
_IN_CELL = {"jobs": re.compile(r"\d{3,12}(?:_\d{1,7})?")}
_ANY_ID = re.compile(r"[a-z0-9]{6,16}")


def names_in(text: str, lines: Sequence[Line], commits: Iterable[str] = (), branch: str = "") -> Names:
    """Return what is named; an id of a sweep or run must hold a digit, so that 'the run crashed' names none."""
    cells = _from_tables(lines)
    short = [part for line in text.splitlines() if (part := line[:4000])]
    said = "\n".join(short)
    return Names(
        sweeps=_once([*filter(_is_id, _found(_SWEEPS, said)), *cells["sweeps"]]),
        runs=_once([*filter(_is_id, _found(_RUNS, said)), *cells["runs"]]),
        jobs=_once([*_found(_JOBS, said), *cells["jobs"]]),
        branches=_once([branch, *(one for one in _found(_BRANCHES, said) if one.lower() not in _NO_BRANCH)]),
        commits=_once([*commits, *filter(_is_sha, _found(_COMMITS, said))]),
        handovers=_once(key.text for key in keys_in(said)),
    )


_NO_BRANCH = {"none", "unknown", "n/a", "the", "of", "tbd", "is", "was"}


def _found(patterns: Iterable[re.Pattern[str]], text: str) -> list[str]:
    hits = sorted((found.start(1), found[1]) for pattern in patterns for found in pattern.finditer(text))
    return [name for _, name in hits]


def _is_id(name: str) -> bool:
    return any(char.isdigit() for char in name) and any(char.isalpha() for char in name) and len(name) <= 64


def _is_sha(name: str) -> bool:
    return any(char.isdigit() for char in name)


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))[:MOST]


def _from_tables(lines: Sequence[Line]) -> dict[str, list[str]]:
    """Return the ids below the heads Sweep, Run and Job."""
    found: dict[str, list[str]] = {name: [] for name in _COLUMNS}
    for table in tables_in(lines):
        for name, heads in _COLUMNS.items():
            column = next((at for at, head in enumerate(table.heads) if head in heads), None)
            if column is not None:
                cells = (row.cell(column) for row in table.rows)
                found[name] += [one for cell in cells for one in _ids_in(name, cell)]
    return found


def _ids_in(name: str, cell: str) -> list[str]:
    plain = re.sub(r"\]\([^)]*\)", " ", cell)
    if name == "jobs":
        return _IN_CELL["jobs"].findall(plain)
    return [one for one in _ANY_ID.findall(plain) if _is_id(one)]
