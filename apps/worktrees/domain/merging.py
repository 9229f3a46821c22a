"""How a branch came into its base: by ancestry, by what git noted of the branch, by patches, by the tree. Pure.

The order is that of the evidence's strength. A new branch is an ancestor of its base and has nothing in it: that is
'nothing yet' and not 'merged' ('Use worktrees, not clones' in docs/practice.md).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from apps.worktrees.domain.facts import How, Merge


@dataclass
class History:
    """The commits that some tips reach: parents of each, and when it was committed (seconds since 1970)."""

    parents: Mapping[str, tuple[str, ...]]
    times: Mapping[str, int] = field(default_factory=dict)
    _reach: dict[str, frozenset[str]] = field(default_factory=dict)

    def reach(self, tip: str) -> frozenset[str]:
        """Return every commit that ``tip`` reaches, itself included; kept, because many branches ask for one base."""
        if tip not in self._reach:
            self._reach[tip] = frozenset(self.between(tip, frozenset()))
        return self._reach[tip]

    def between(self, tip: str, without: Collection[str]) -> list[str]:
        """Return what ``tip`` reaches and ``without`` does not hold, the nearest first."""
        found: dict[str, None] = {}
        waiting = [tip]
        while waiting:
            one = waiting.pop()
            if one in found or one in without or one not in self.parents:
                continue
            found[one] = None
            waiting += self.parents[one]
        return list(found)

    def reach_of_all(self, tips: Iterable[str]) -> frozenset[str]:
        """Return every commit that one of ``tips`` reaches."""
        found: set[str] = set()
        for tip in tips:
            found.update(self.between(tip, found))
        return frozenset(found)

    def first_parents(self, tip: str) -> frozenset[str]:
        """Return the chain of first parents: what was committed on the branch itself, or fast-forwarded to."""
        chain: set[str] = set()
        while tip in self.parents and tip not in chain:
            chain.add(tip)
            tip = next(iter(self.parents[tip]), "")
        return frozenset(chain)

    def fork(self, own: Sequence[str], base: frozenset[str]) -> str:
        """Return where own commits left the base, the last such place; empty for unrelated histories."""
        places = {one for sha in own for one in self.parents.get(sha, ()) if one in base}
        return max(places, key=lambda sha: (self.times.get(sha, 0), sha), default="")

    def is_merge(self, sha: str) -> bool:
        return len(self.parents.get(sha, ())) > 1


@dataclass(frozen=True, slots=True)
class Noted:
    """What git's log of a branch says: commits that were made on it.

    ``whole``: the log begins with the branch, which was ``created`` at that commit. ``taken_over``: it was created
    from a branch of the same name on a remote, so that its commits may be others' work.
    """

    own: frozenset[str] = frozenset()
    whole: bool = False
    created: str = ""
    taken_over: bool = False

    def nothing_since(self, tip: str) -> bool:
        """Tell whether the log proves that the branch stands where it began, and began with nothing of its own."""
        return self.whole and not self.own and self.created == tip and not self.taken_over


@dataclass(frozen=True, slots=True)
class Evidence:
    """``patch`` tells the identity of a commit's patch (empty: it changes nothing; None: unknown).

    ``whole_patch`` is the same of the branch's sum from where it left the base. ``adds_nothing`` tells whether a merge
    into the base would change it; both are asked last, because they cost the most.
    """

    patch: Callable[[str], str | None]
    whole_patch: Callable[[str, str], str | None]
    adds_nothing: Callable[[str, str], bool | None]


def judge(tip: str, base: str, name: str, history: History, noted: Noted, evidence: Evidence) -> Merge:
    """Return how the branch at ``tip`` came into the branch ``name`` at ``base``."""
    if tip not in history.parents or base not in history.parents:
        return Merge(How.UNKNOWN, name, "The history was not read as far as this branch.")
    reach = history.reach(base)
    if tip in reach:
        return _ancestor(tip, base, name, history, noted, reach)
    own = history.between(tip, reach)
    fork = history.fork(own, reach)
    if not fork:
        return Merge(How.NO, name, f"It shares no history with {name}.")
    return _by_content(tip, base, name, own, fork, history, evidence)


def _ancestor(tip: str, base: str, name: str, history: History, noted: Noted, reach: frozenset[str]) -> Merge:
    own = noted.own & reach
    on_chain = tip in history.first_parents(base)
    if own and on_chain:
        return Merge(How.FAST_FORWARD, name, f"{name} was fast-forwarded over its {_commits(len(own))}.")
    if noted.nothing_since(tip):
        return Merge(How.NOTHING_YET, name, f"Nothing was committed on it yet; it stands at a commit of {name}.")
    if not on_chain:
        return Merge(How.MERGE, name, f"A merge commit of {name} holds {tip[:8]}.")
    if noted.whole and not noted.taken_over:
        return Merge(How.NOTHING_YET, name, f"Nothing was committed on it yet; it only followed {name}.")
    return Merge(How.UNKNOWN, name, f"It stands at a commit of {name}, and git's log of the branch does not go back "
                 "far enough to tell a fast-forward from a branch without commits.")  # fmt: skip


def _by_content(
    tip: str, base: str, name: str, own: list[str], fork: str, history: History, evidence: Evidence
) -> Merge:
    theirs = {evidence.patch(sha) for sha in history.between(base, history.reach(fork)) if not history.is_merge(sha)}
    mine = {sha: evidence.patch(sha) for sha in own if not history.is_merge(sha)}
    there = [sha for sha, patch in mine.items() if patch and patch in theirs]
    said = [patch for patch in mine.values() if patch]
    if said and len(there) == len(said) and None not in mine.values():
        return Merge(How.REBASE, name, f"{name} has the patch of each of its {_commits(len(there))} under other names.")
    whole = evidence.whole_patch(fork, tip)
    if whole and whole in theirs:
        return Merge(How.SQUASH, name, f"One commit of {name} is the sum of its {_commits(len(own))}.")
    nothing = evidence.adds_nothing(base, tip)
    if nothing and (whole or any(history.is_merge(sha) for sha in own)):
        return Merge(How.SQUASH, name, f"Merging its {_commits(len(own))} would change nothing in {name}.")
    if nothing is None or whole is None or None in mine.values() or None in theirs:
        return Merge(How.UNKNOWN, name, f"Its {_commits(len(own))} could not be compared with {name} whole.")
    if nothing and not whole:
        return Merge(How.NO, name, f"Its {_commits(len(own))} change nothing in sum, and {name} has none of them.")
    partly = f" ({len(there)} of them under other names)" if there else ""
    return Merge(How.NO, name, f"It has {_commits(len(own))} beside {name}{partly}.")


def _commits(count: int) -> str:
    return "1 commit" if count == 1 else f"{count} commits"


_MADE_HERE = ("commit", "cherry-pick", "am", "revert", "rebase", "pull --rebase")


def noted_in(log: str, branch: str = "") -> Noted:
    """Read a reflog file: ``<old> <new> <who> <seconds> <zone>\\t<what>``, the oldest first.

    What was only pulled, reset or created is nothing of its own; a rebase that ended where it went is none either.
    """
    own: set[str] = set()
    lines = [line for line in log.splitlines() if line.count(" ") > 1]
    for line in lines:
        head, _, what = line.partition("\t")
        parts = head.split(" ")
        if len(parts) > 1 and _is_own(parts[1], what):
            own.add(parts[1])
    first, _, what = lines[0].partition("\t") if lines else ("", "", "")
    whole = set(first.split(" ", 1)[0]) == {"0"}
    created = first.split(" ")[1] if whole and first.count(" ") else ""
    origin = what.rpartition(" from ")[2].strip()
    return Noted(frozenset(own), whole, created, bool(branch) and "/" in origin and origin.endswith(f"/{branch}"))


def _is_own(new: str, what: str) -> bool:
    action = what.partition(":")[0]
    if "rebase" in action:
        # `rebase (finish): refs/heads/x onto <sha>`; at the place itself nothing of the branch was left.
        onto = what.rpartition(" onto ")[2].strip()
        return "(finish)" in action and not new.startswith(onto or "-") and not onto.startswith(new)
    if action.startswith("merge "):
        return "Fast-forward" not in what
    return action.split(" ")[0] in _MADE_HERE
