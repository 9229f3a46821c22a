"""The practice's table of worktrees, what speaks against a clean-up, and what git's log of a branch proves."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from apps.worktrees.domain.acts import JobFacts, Step, digest_of, folder_name, refusals_of
from apps.worktrees.domain.bases import Branches
from apps.worktrees.domain.facts import Changes, Facts, Held, How, Merge, Place, Resource, facts_from
from apps.worktrees.domain.findings import findings_of
from apps.worktrees.domain.merging import Evidence, History, Noted, judge, noted_in
from apps.worktrees.domain.table import is_either, is_made_again, is_shared

DONE = Merge(How.MERGE, "main", "A merge commit of main holds it.")
CLEAN = Facts("/w/x", branch="x", head="a" * 40, changes=Changes(), unpushed=0, merge=DONE, held=(), has_index=False)
NO_JOBS = JobFacts()


def ids(facts: Facts) -> list[str]:
    return [one.id for one in findings_of(facts)]


def lying(name: str, place: Place, **more: bool) -> Facts:
    open_ = replace(CLEAN, merge=Merge(How.NO, "main", "1 commit"), has_index=True)
    return replace(open_, resources=(Resource(name, place, "../glue/" + name, **more),))


@pytest.mark.parametrize(
    ("name", "place", "expected"),
    [
        ("CLAUDE.md", Place.LOCAL, []),
        ("CLAUDE.md", Place.LINK, ["claude-linked"]),
        ("CLAUDE", Place.LINK_ELSEWHERE, ["claude-linked"]),
        (".env", Place.LINK, []),
        (".env", Place.MISSING, ["shared-not-linked"]),
        (".env", Place.LOCAL, ["shared-not-linked"]),
        (".envrc", Place.LINK_ELSEWHERE, ["shared-not-linked"]),
        (".python-version", Place.LOCAL, ["shared-not-linked"]),
        ("node_modules", Place.MISSING, ["shared-not-linked"]),
        (".cache", Place.LINK, []),
        ("hf_cache", Place.LOCAL, ["shared-not-linked"]),
        (".venv", Place.LOCAL, []),
        ("venv", Place.LINK, []),
        (".venv", Place.MISSING, ["shared-not-linked"]),
        ("outputs", Place.LOCAL, []),
        ("outputs", Place.LINK, ["local-linked"]),
        ("wandb", Place.LINK_ELSEWHERE, ["local-linked"]),
        ("logs", Place.LINK, ["local-linked"]),
        ("outputs", Place.LINK_ALLOWED, []),
    ],
)
def test_each_row_of_the_table_is_a_finding_or_none(name: str, place: Place, expected: list[str]) -> None:
    assert ids(lying(name, place)) == expected


def test_what_git_tracks_is_shared_by_itself_and_claude_must_not_be_tracked() -> None:
    assert ids(lying(".python-version", Place.LOCAL, tracked=True)) == []
    assert ids(lying("CLAUDE.md", Place.LOCAL, tracked=True)) == ["claude-tracked"]
    assert ids(replace(lying("CLAUDE", Place.LOCAL, tracked=True), kind="main")) == ["claude-tracked"]


def test_a_linked_claude_folder_says_that_the_ignore_pattern_does_not_match_it() -> None:
    told = findings_of(lying("CLAUDE", Place.LINK, ignored=False))[0].sentence
    assert "does not match a link" in told
    assert "does not match" not in findings_of(lying("CLAUDE", Place.LINK, ignored=True))[0].sentence


def test_merged_but_still_there_and_claude_left_clone_and_prunable() -> None:
    assert ids(replace(CLEAN, has_index=True)) == ["merged-still-there", "claude-left"]
    assert ids(replace(CLEAN, merge=Merge(How.NOTHING_YET), has_index=True)) == []
    assert ids(replace(CLEAN, merge=Merge(How.NO), has_index=False)) == ["claude-missing"]
    assert ids(Facts("/c", kind="clone")) == ["clone"]
    assert ids(replace(CLEAN, prunable="gitdir file points to non-existent location")) == ["prunable"]
    for one in (*findings_of(replace(CLEAN, has_index=True)), *findings_of(Facts("/c", kind="clone"))):
        assert one.sentence.endswith(".")
        assert one.next_action


def test_names_of_the_table_are_those_of_a_shell() -> None:
    assert is_shared("hf_cache")
    assert is_shared(".cache")
    assert not is_shared(".pytest_cache")
    assert is_either("venv")
    assert not is_made_again("outputs/x/checkpoints/step_1.pt")


@pytest.mark.parametrize(
    "path",
    ["src/__pycache__/x.pyc", "a/.mypy_cache/x", ".venv/bin/python", "venv/", "node_modules/x/y.js",
     ".cache/hf/model.bin", "glue.egg-info/PKG-INFO", "src/glue.egg-info/PKG-INFO"],
)  # fmt: skip
def test_bytecode_is_made_again_anywhere_and_a_cache_or_an_environment_at_the_root(path: str) -> None:
    assert is_made_again(path)


@pytest.mark.parametrize(
    "path",
    ["outputs/.cache/step_9.pt", "outputs/venv/step_9.pt", "data/.cache/x", "data/node_modules/x", "runs/.venv/x.pt",
     "data/a.egg-info/x", "outputs/__pycache__/step_9.pt", "wandb/x.pyc", "logs/.coverage"],
)  # fmt: skip
def test_below_any_other_folder_and_among_what_runs_write_nothing_of_that_name_is_made_again(path: str) -> None:
    assert not is_made_again(path)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"merge": Merge(How.NO, "main", "1 commit")}, "not merged"),
        ({"merge": Merge(How.NOTHING_YET, "main", "nothing")}, "not merged"),
        ({"merge": Merge()}, "unknown"),
        ({"changes": None}, "not committed is unknown"),
        ({"changes": Changes(changed=1), "dirty_paths": ("a.py",)}, "1 change not committed: a.py"),
        ({"unpushed": None}, "not pushed is unknown"),
        ({"unpushed": 2}, "2 commits not pushed"),
        ({"held": None}, "only it holds is unknown"),
        ({"held": (Held("outputs/", 3, 2048, ignored=True),)}, "Only it holds 3 files: outputs/ (3 files, 2.0 KiB)"),
        ({"busy": "a rebase"}, "in the middle of a rebase"),
        ({"locked": "on a stick"}, "locked: on a stick"),
        ({"kind": "main"}, "main checkout"),
        ({"kind": "clone"}, "clone"),
        ({"prunable": "gone"}, "prune"),
    ],
)
def test_every_reason_against_a_clean_up_is_said_and_unknown_is_one(change: dict[str, object], word: str) -> None:
    said = refusals_of(replace(CLEAN, **change), NO_JOBS)  # type: ignore[arg-type]  # the test's own values
    assert len(said) == 1
    assert word in said[0]


def test_a_clean_merged_worktree_without_jobs_may_go() -> None:
    assert refusals_of(CLEAN, NO_JOBS) == ()
    assert "12_3 (train" in refusals_of(CLEAN, JobFacts(("12_3 (train, RUNNING)",)))[0]
    assert "unknown" in refusals_of(CLEAN, JobFacts(unknown="Slurm does not answer."))[0]


def test_facts_come_back_as_they_were_written() -> None:
    facts = replace(
        CLEAN, active_at=datetime(2026, 11, 3, tzinfo=UTC), held=(Held("a", 1, 2, ignored=False),), links=(".env",),
        resources=(Resource(".env", Place.LINK, "/m/.env"),), problems=("x",), locked="",
    )  # fmt: skip
    assert facts_from(facts.as_json()) == facts
    assert facts_from(Facts("/x").as_json()) == Facts("/x")


ZERO, A, B, C = "0" * 40, "a" * 40, "b" * 40, "c" * 40


def reflog(*rows: tuple[str, str, str]) -> str:
    return "".join(f"{old} {new} Mia <mia@example.org> 1760000000 +0000\t{what}\n" for old, new, what in rows)


def test_the_log_of_a_branch_tells_own_commits_from_what_was_only_followed() -> None:
    made = (ZERO, A, "branch: Created from main")
    assert noted_in(reflog(made)).nothing_since(A)
    assert noted_in(reflog(made, (A, B, "commit: x"))).own == {B}
    assert noted_in(reflog(made, (A, B, "pull: Fast-forward"))).own == set()
    assert noted_in(reflog(made, (A, B, "merge main: Fast-forward"))).own == set()
    assert noted_in(reflog(made, (A, B, "reset: moving to main"))).own == set()
    assert noted_in(reflog(made, (A, B, f"rebase (finish): refs/heads/x onto {C}"))).own == {B}
    assert noted_in(reflog(made, (A, B, f"rebase (finish): refs/heads/x onto {B}"))).own == set()
    assert noted_in(reflog((A, B, "commit: x"))).whole is False
    assert noted_in("") == Noted()
    taken = noted_in(reflog((ZERO, A, "branch: Created from refs/remotes/origin/x")), "x")
    assert not taken.nothing_since(A)


def nothing(*names: str) -> str | None:
    return None


def test_without_evidence_the_merge_is_unknown_and_never_merged() -> None:
    evidence = Evidence(nothing, nothing, lambda base, tip: None)
    line = History({A: (), B: (A,), C: (A,)}, {})
    assert judge(B, C, "main", line, Noted(), evidence).how is How.UNKNOWN
    assert judge(A, B, "main", line, Noted(), evidence).how is How.UNKNOWN
    assert judge("d" * 40, B, "main", line, Noted(), evidence).how is How.UNKNOWN
    assert judge(A, B, "main", line, noted_in(reflog((ZERO, A, "branch: Created from main"))), evidence).how is (
        How.NOTHING_YET
    )
    assert judge(A, B, "main", line, Noted(frozenset({A}), whole=True), evidence).how is How.FAST_FORWARD
    merge = History({A: (), B: (A,), C: (A, B)}, {})
    assert judge(B, C, "main", merge, Noted(), evidence).how is How.MERGE
    assert judge(B, A, "main", History({A: (), B: ()}, {}), Noted(), evidence).how is How.NO


def test_the_base_is_the_wished_one_then_the_remotes_then_a_usual_name() -> None:
    shas = {"refs/heads/main": A, "refs/heads/dev": B, "refs/remotes/origin/dev": C, "refs/remotes/origin/HEAD": C}
    leads = {"refs/remotes/origin/HEAD": "refs/remotes/origin/dev"}
    assert [one.name for one in Branches(shas, {}, leads).bases("", "x")] == ["origin/dev", "dev"]
    assert [one.name for one in Branches(shas, {}, leads).bases("main", "x")] == ["main"]
    assert [one.name for one in Branches({"refs/heads/main": A}, {}, {}).bases("", "x")] == ["main"]
    assert [one.name for one in Branches({"refs/heads/x": A}, {}, {}).bases("", "x")] == ["x"]
    assert Branches({}, {}, {}).bases("", "") == ()


def test_a_press_is_bound_to_its_steps_and_to_what_decided_them() -> None:
    step = Step("git", argv=("git", "worktree", "add", "a b"))
    assert step.shown == "git worktree add 'a b'"
    assert digest_of([step], ["x"]) != digest_of([step], ["y"])
    assert digest_of([step], ["x"]) == digest_of([Step("git", argv=step.argv)], ["x"])
    assert folder_name("fix/warm restarts") == "fix-warm-restarts"
    assert folder_name("../..") == ""
