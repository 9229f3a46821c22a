"""Which branch is the one that others are merged into, and what of a branch is on no remote. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apps.worktrees.domain.facts import How, Merge
from apps.worktrees.domain.merging import History

USUAL = ("main", "master", "trunk")
_LOCAL, _REMOTE = "refs/heads/", "refs/remotes/"


@dataclass(frozen=True, slots=True)
class Base:
    """``name`` as people say it (main, origin/main), ``sha`` where it stands."""

    name: str
    sha: str
    is_remote: bool


@dataclass(frozen=True, slots=True)
class Branches:
    """Where each full ref stands, what it follows on a remote, and where a symbolic one such as origin/HEAD leads."""

    shas: Mapping[str, str]
    upstreams: Mapping[str, str]
    leads_to: Mapping[str, str]

    def bases(self, wished: str, checked_out: str) -> tuple[Base, ...]:
        """Return the base on its remote, where it is there, and the local one.

        It is the one that was ``wished`` for, else that of origin/HEAD, else a usual name, else the branch that the
        main checkout is on.
        """
        name = wished or self._default() or next((one for one in USUAL if _LOCAL + one in self.shas), checked_out)
        remote = self.upstreams.get(_LOCAL + name, "") or f"{_REMOTE}origin/{name}"
        places = ((remote, True), (_LOCAL + name, False))
        return tuple(Base(_shown(ref), self.shas[ref], far) for ref, far in places if name and ref in self.shas)

    def _default(self) -> str:
        target = self.leads_to.get(f"{_REMOTE}origin/HEAD", "")
        return target.removeprefix(f"{_REMOTE}origin/") if target in self.shas else ""

    @property
    def remote_shas(self) -> tuple[str, ...]:
        return tuple(sha for ref, sha in self.shas.items() if ref.startswith(_REMOTE))


def _shown(ref: str) -> str:
    return ref.removeprefix(_LOCAL).removeprefix(_REMOTE)


def best_of(merges: Iterable[tuple[Base, Merge]]) -> tuple[Base | None, Merge]:
    """Return the answer that says most: merged, the remote's base first; then nothing yet, unknown, not merged."""
    found = list(merges)
    for wanted in (lambda one: one.merged, lambda one: one.how in (How.NOTHING_YET, How.UNKNOWN), lambda one: True):
        for base, merge in found:
            if wanted(merge):
                return base, merge
    return None, Merge(
        How.UNKNOWN, "", "No base branch is known: neither origin/HEAD nor main, and none is configured."
    )


def unpushed_of(
    tip: str, merge: Merge, base: Base | None, bases: Sequence[Base], on_remotes: frozenset[str], history: History
) -> tuple[int | None, str]:
    """Return how many commits of a worktree have their work on no remote, and the sentence that says so.

    Without any remote those count that are not in the base either. None where the history was not read so far.
    """
    if tip not in history.parents:
        return None, "The history was not read as far as this branch."
    if on_remotes:
        if merge.merged and base is not None and base.is_remote:
            return 0, f"{base.name} has all of its work."
        count = len(history.between(tip, on_remotes))
        if merge.merged and count:
            return count, f"{merge.base} has its work, and that is not pushed: no remote has it."
        return count, "Every commit is on a remote." if not count else f"{_commits(count)} on no remote."
    if merge.merged:
        return 0, f"There is no remote; {merge.base} has all of its work."
    local = next((one for one in bases if not one.is_remote), None)
    if local is None:
        return None, "There is neither a remote nor a base branch."
    count = len(history.between(tip, history.reach(local.sha)))
    return count, "There is no remote to push to." if count else "It has no commits of its own."


def _commits(count: int) -> str:
    return "1 commit" if count == 1 else f"{count} commits"
