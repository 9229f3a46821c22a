"""Which commits to pick from one branch to another, in which order and why. Pure.

A commit's concerns are the areas of its paths: the first folder, or the second below a folder that holds all code
(`src`, `apps`, `lib`, `packages`). Tests, docs, configuration and lists of dependencies go along with what they are
about and are a concern only where nothing else is changed. A commit mixes concerns where it changes several areas and
either its subject names several things or no area has four fifths of the changed lines; and where it changes
several files of one area and its subject names several things ('Fix the loader and rename the metric').
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath, PurePosixPath

from apps.worktrees.domain.facts import shown

HOLDS_CODE = ("src", "apps", "lib", "packages")
_ALONG = (
    ("tests", re.compile(r"(^|/)tests?/|(^|/)test_[^/]*$|_test\.[^/]*$")),
    ("docs", re.compile(r"(^|/)docs?/|\.(md|rst)$", re.IGNORECASE)),
    ("dependencies", re.compile(r"(^|/)(requirements[^/]*\.(txt|in)|pyproject\.toml|setup\.(py|cfg)|[^/]*\.lock)$")),
    ("configuration", re.compile(r"(^|/)(configs?|experiments|\.github)/|\.(ya?ml|toml|ini|cfg)$")),
)
_ALONG_WORDS = re.compile(r"\b(unit |its |their |the )?(tests?|docs?|documentation|changelog|types?)\b", re.IGNORECASE)
_SEVERAL = re.compile(r"\S+\s*(?:;|\+|\band\b|\bas well as\b|\balso\b|\bplus\b| & )\s*(?P<rest>\S.*)", re.IGNORECASE)
_LIST = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S", re.MULTILINE)
MOSTLY = 0.8
SCRATCH = "sweepboard-scratch-"  # the folder of a scratch worktree is named so


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit does to one file. ``kind`` is A, M, D, R, C or T; ``lines`` None for a binary file.

    ``ranges`` are the lines (from, to; counted from 1) of the file before that the change stands on.
    """

    path: str
    kind: str
    before: str = ""
    lines: int | None = 0
    ranges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Commit:
    sha: str
    parents: tuple[str, ...]
    author: str
    subject: str
    body: str = ""

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1


@dataclass(frozen=True, slots=True)
class Trial:
    """How a commit was picked when it was tried: clean, conflict, empty or unknown; ``why`` in a sentence."""

    state: str
    files: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """An earlier commit that one needs: ``by`` lines or files."""

    sha: str
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Pick:
    commit: Commit
    concerns: tuple[str, ...]
    mixed: str  # why it mixes concerns; empty where it does not
    needs: tuple[Needs, ...]
    trial: Trial
    reason: str
    changes: tuple[Change, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        return ("git", "cherry-pick", "-x", self.commit.sha)


@dataclass(frozen=True, slots=True)
class Fallback:
    """Copying a mixed commit's files of one concern, its author kept. ``along`` are later commits that come with it."""

    sha: str
    concern: str
    commands: tuple[tuple[str, ...], ...]
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """``already`` pairs a commit with the one of the target that has its patch; ``left_out`` one with the reason."""

    source: str
    target: str
    source_sha: str
    target_sha: str
    picks: tuple[Pick, ...] = ()
    already: tuple[tuple[Commit, str], ...] = ()
    left_out: tuple[tuple[Commit, str], ...] = ()
    fallback: tuple[Fallback, ...] = ()
    problems: tuple[str, ...] = field(default=())


def is_scratch(path: PurePath) -> bool:
    """Tell whether a worktree is one in which picks are tried, which is gone in a moment."""
    return path.parent.name.startswith(SCRATCH)


def area_of(path: str) -> str:
    """Return the concern of one path."""
    for name, pattern in _ALONG:
        if pattern.search(path):
            return name
    parts = PurePosixPath(path).parts
    deep = len(parts) > 2 and parts[0] in HOLDS_CODE
    return shown("/".join(parts[:2]) if deep else parts[0] if len(parts) > 1 else "root")


def concerns_of(changes: Sequence[Change]) -> tuple[str, ...]:
    """Return what a commit is about, the most changed first."""
    weight: dict[str, int] = {}
    for one in changes:
        weight[area_of(one.path)] = weight.get(area_of(one.path), 0) + (one.lines or 1)
    along = {name for name, _ in _ALONG}
    own = [name for name in weight if name not in along]
    return tuple(sorted(own or weight, key=lambda name: (-weight[name], name)))


def mixes(commit: Commit, changes: Sequence[Change]) -> str:
    """Return why a commit mixes concerns; empty where it does not."""
    concerns = concerns_of(changes)
    several = names_several(commit)
    own = [one for one in changes if area_of(one.path) in concerns]
    if len(concerns) > 1:
        share = max(_lines(own, concern) for concern in concerns) / max(1, sum(_lines(own, one) for one in concerns))
        along = {name for name, _ in _ALONG}
        if several or (share < MOSTLY and not along.issuperset(concerns)):
            why = f"and {several}" if several else f"none of which has {MOSTLY:.0%} of the lines"
            return f"It changes {', '.join(concerns)}, {why}."
        return ""
    if several and len(own) > 1:
        return f"It changes {len(own)} files, and {several}."
    return ""


def _lines(changes: Iterable[Change], concern: str) -> int:
    return sum(one.lines or 1 for one in changes if area_of(one.path) == concern)


def names_several(commit: Commit) -> str:
    """Return the words by which a message names several things; tests and docs of the one thing are none."""
    found = _SEVERAL.search(commit.subject)
    if found and len(_ALONG_WORDS.sub("", found["rest"]).split()) > 1:
        return f"its subject names several things ('{commit.subject}')"
    if len(_LIST.findall(commit.body)) > 2:
        return "its message lists several things"
    return ""


def needed_by_files(shas: Sequence[str], changes: Mapping[str, Sequence[Change]]) -> dict[str, list[Needs]]:
    """Return for each commit the earlier ones that made, renamed or brought the files that it changes."""
    made: dict[str, tuple[str, str]] = {}
    needs: dict[str, list[Needs]] = {}
    for sha in shas:
        found: dict[str, Needs] = {}
        for one in changes.get(sha, ()):
            origin = one.before or one.path
            if one.kind != "A" and origin in made and made[origin][0] != sha:
                by, how = made[origin]
                found.setdefault(by, Needs(by, "files", f"{origin} was {how} by {by[:8]}"))
        needs[sha] = list(found.values())
        for one in changes.get(sha, ()):
            if one.kind in ("A", "C"):
                made[one.path] = (sha, "created")
            elif one.kind == "R":
                made[one.path] = (sha, f"renamed from {one.before}")
    return needs


def with_needed(wanted: Iterable[str], needs: Mapping[str, Sequence[Needs]]) -> set[str]:
    """Return these commits and all that they need, directly or not."""
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        sha = waiting.pop()
        if sha not in found:
            found.add(sha)
            waiting += [one.sha for one in needs.get(sha, ())]
    return found


def fallback_of(
    pick: Pick, source: str, later: Mapping[str, Sequence[str]], before: Mapping[str, Sequence[str]]
) -> list[Fallback]:
    """Return how a mixed commit's files are copied, one concern after the other; empty where it does not mix.

    ``later`` and ``before`` name, by path, the commits after and before this one that change the file too: a copy of a
    file takes all of it, so they come along.
    """
    if not pick.mixed:
        return []
    parts = _parts(pick)
    return [_copied(pick.commit, concern, parts[concern], source, later, before) for concern in parts]


def _parts(pick: Pick) -> dict[str, list[Change]]:
    """Group by concern; what goes along goes with the first. In one area each file is a part of its own."""
    parts: dict[str, list[Change]] = {}
    alone = len(pick.concerns) == 1
    for one in pick.changes:
        concern = area_of(one.path)
        concern = concern if concern in pick.concerns else pick.concerns[0]
        parts.setdefault(one.path if alone and area_of(one.path) == concern else concern, []).append(one)
    return parts


def _copied(
    commit: Commit, concern: str, changes: Sequence[Change], source: str,
    later: Mapping[str, Sequence[str]], before: Mapping[str, Sequence[str]],
) -> Fallback:  # fmt: skip
    kept = [one.path for one in changes if one.kind != "D"]
    gone = [one.before if one.kind == "R" else one.path for one in changes if one.kind in ("D", "R")]
    commands = [("git", "checkout", source, "--", *map(shown, kept))] if kept else []
    commands += [("git", "rm", "--quiet", "--ignore-unmatch", "--", *map(shown, gone))] if gone else []
    commands += [("git", "commit", f"--reuse-message={commit.sha}")]
    along = sorted({sha[:8] for path in kept for sha in (*before.get(path, ()), *later.get(path, ()))})
    more = f" A copy takes whole files: what {', '.join(along)} did to them comes along." if along else ""
    return Fallback(commit.sha, shown(concern), tuple(commands), f"Only what {commit.sha[:8]} did to {concern}.{more}")
