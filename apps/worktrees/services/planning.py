"""Planning cherry-picks from branch to branch. The target is never touched: a scratch worktree tells the conflicts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from apps.core.errors import Permanent, SweepboardError
from apps.worktrees.domain.facts import shown
from apps.worktrees.domain.picking import (
    Change,
    Commit,
    Fallback,
    Needs,
    Pick,
    Plan,
    Trial,
    concerns_of,
    fallback_of,
    mixes,
    needed_by_files,
    with_needed,
)
from apps.worktrees.ports import PickSource

MOST = 300
MOST_ORIGINS = 1500


def plan_picks(*, source: str, target: str, root: Path, git: PickSource, concern: str = "") -> Plan:
    """Return the plan from ``source`` to ``target``; ``concern`` narrows it, with all that its commits need.

    ``Permanent`` where a name means no commit, or where there are more than ``MOST`` commits between the two.
    """
    source_sha, target_sha = git.commit_of(root, source), git.commit_of(root, target)
    commits = git.commits(root, source_sha, target_sha)
    if len(commits) > MOST:
        raise Permanent(f"{source} has {len(commits)} commits that {target} does not; a plan takes {MOST} at most.")
    problems: list[str] = []
    plain = [one for one in commits if not one.is_merge]
    patches = git.patches(root, [one.sha for one in plain])
    changes = git.changes(root, [one.sha for one in plain])
    theirs = _theirs(git, root, source_sha, target_sha)
    already = [(one, theirs[patches[one.sha]]) for one in plain if patches.get(one.sha) in theirs]
    left_out = [(one, _merge_reason(one, git, root)) for one in commits if one.is_merge]
    gone = {one.sha for one, _ in already}
    empty = [one for one in plain if one.sha not in gone and not patches.get(one.sha) and not changes.get(one.sha)]
    left_out += [(one, "It changes nothing, so there is nothing to pick.") for one in empty]
    open_ = [one for one in plain if one.sha not in gone | {one.sha for one in empty}]
    needs = _needs(git, root, open_, commits, changes, target_sha, problems)
    open_, needs = _narrowed(open_, needs, changes, concern)
    trials = _tried(git, root, target_sha, [one.sha for one in open_], problems)
    stuck = {sha for sha, trial in trials.items() if trial.state == "conflict"}
    picks = tuple(
        _pick(one, changes.get(one.sha, ()), needs[one.sha], _after(trials[one.sha], needs[one.sha], stuck), concern)
        for one in open_
    )
    fallback = [part for pick in picks for part in _fallback(pick, picks, source)]
    return Plan(
        source, target, source_sha, target_sha, picks, tuple(already), tuple(left_out), tuple(fallback), tuple(problems)
    )


def _theirs(git: PickSource, root: Path, source: str, target: str) -> dict[str, str]:
    """The patches that the target has beside the source, with the commit of each."""
    shas = [one.sha for one in git.commits(root, target, source) if not one.is_merge]
    return {patch: sha for sha, patch in git.patches(root, shas).items() if patch}


def _merge_reason(one: Commit, git: PickSource, root: Path) -> str:
    files = git.own_changes_of_merge(root, one.sha)
    if not files:
        return "A merge: the commits that it brought are picked by themselves."
    return (
        f"A merge that changed {', '.join(files)} beyond both its sides: pick the others, then make these changes by "
        f"hand (`git show {one.sha[:12]}` shows them)."
    )


def _needs(
    git: PickSource, root: Path, open_: Sequence[Commit], commits: Sequence[Commit],
    changes: Mapping[str, Sequence[Change]], target: str, problems: list[str],
) -> dict[str, list[Needs]]:  # fmt: skip
    """By files first, then by lines: who of the commits to be picked wrote the lines that a change stands on."""
    shas = [one.sha for one in open_]
    needs = needed_by_files(shas, changes)
    mine, asked = set(shas), 0
    for commit in open_:
        by_files = {one.sha for one in needs[commit.sha]}
        for change in changes.get(commit.sha, ()):
            if change.kind not in ("M", "D", "R") or not change.ranges or not commit.parents:
                continue
            asked += 1
            if asked > MOST_ORIGINS:
                problems.append("So many files are changed that not all dependencies by lines were looked for.")
                return needs
            path = change.before or change.path
            for origin in git.origins(root, commit.parents[0], path, change.ranges, target) & mine - by_files:
                by_files.add(origin)
                told = f"it changes lines of {path} that {origin[:8]} wrote, or next to them"
                needs[commit.sha].append(Needs(origin, "lines", told))
    return needs


def _narrowed(
    open_: list[Commit], needs: dict[str, list[Needs]], changes: Mapping[str, Sequence[Change]], concern: str
) -> tuple[list[Commit], dict[str, list[Needs]]]:
    if not concern:
        return open_, needs
    wanted = [one.sha for one in open_ if concern in concerns_of(changes.get(one.sha, ()))]
    if not wanted:
        known = sorted({name for one in open_ for name in concerns_of(changes.get(one.sha, ()))})
        raise Permanent(f"No commit is about '{concern}'. Concerns here: {', '.join(known) or 'none'}.")
    taken = with_needed(wanted, needs)
    return [one for one in open_ if one.sha in taken], needs


def _tried(git: PickSource, root: Path, target: str, shas: Sequence[str], problems: list[str]) -> Mapping[str, Trial]:
    if not shas:
        return {}
    try:
        return git.try_picks(root, target, shas)
    except SweepboardError as error:
        problems.append(f"Conflicts could not be tried: {error}")
        return dict.fromkeys(shas, Trial("unknown", why="It could not be tried."))


def _after(trial: Trial, needs: Sequence[Needs], stuck: set[str]) -> Trial:
    """A conflict may be no more than that an earlier one, without which this was tried, conflicts itself."""
    before = [one.sha[:8] for one in needs if one.sha in stuck]
    if trial.state != "conflict" or not before:
        return trial
    return replace(trial, why=f"{trial.why} It was tried without {', '.join(before)}, which conflicts itself.")


def _pick(commit: Commit, changes: Sequence[Change], needs: Sequence[Needs], trial: Trial, concern: str) -> Pick:
    concerns = concerns_of(changes)
    about = f"About {', '.join(concerns)}." if concerns else "It changes no file."
    if concern and concern not in concerns:
        about = f"About {', '.join(concerns)}; taken because a commit about {concern} needs it."
    after = (
        "After " + "; ".join(f"{one.sha[:8]}, because {one.why}" for one in needs) + "."
        if needs
        else ("It needs no other of these commits.")
    )
    return Pick(
        commit, concerns, shown(mixes(commit, changes)), tuple(needs), trial, shown(f"{about} {after}"), tuple(changes)
    )


def _fallback(pick: Pick, picks: Sequence[Pick], source: str) -> list[Fallback]:
    at = [one.commit.sha for one in picks].index(pick.commit.sha)
    return list(fallback_of(pick, source, _touching(picks[at + 1 :]), _touching(picks[:at])))


def _touching(picks: Sequence[Pick]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in picks:
        for change in one.changes:
            found.setdefault(change.path, []).append(one.commit.sha)
    return found
