"""What a commit is about, when it mixes concerns, and what it needs."""

import pytest

from apps.worktrees.domain.picking import (
    Change,
    Commit,
    Needs,
    Pick,
    Trial,
    area_of,
    concerns_of,
    fallback_of,
    mixes,
    needed_by_files,
    with_needed,
)


def about(subject: str, *changes: tuple[str, int], body: str = "") -> tuple[Commit, tuple[Change, ...]]:
    told = tuple(Change(path, "M", lines=lines) for path, lines in changes)
    return Commit("a" * 40, ("b" * 40,), "Mia <mia@example.org>", subject, body), told


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("src/data/loader.py", "src/data"), ("apps/board/views.py", "apps/board"), ("data/loader.py", "data"),
        ("train.py", "root"), ("tests/unit/test_x.py", "tests"), ("data/test_loader.py", "tests"),
        ("README.md", "docs"), ("docs/x.png", "docs"), ("experiments/a.yaml", "configuration"),
        ("requirements.txt", "dependencies"), ("src/x.py", "src"),
    ],
)  # fmt: skip
def test_the_area_of_a_path_is_its_concern(path: str, area: str) -> None:
    assert area_of(path) == area


@pytest.mark.parametrize(
    ("subject", "changes", "mixed"),
    [
        ("Fix the loader", (("data/loader.py", 10), ("tests/test_loader.py", 30), ("README.md", 2)), False),
        ("Fix the loader and its tests", (("data/loader.py", 10), ("tests/test_loader.py", 30)), False),
        ("Fix the loader and rename the metric", (("data/loader.py", 10), ("metrics/f1.py", 1)), True),
        ("Speed things up", (("data/loader.py", 10), ("metrics/f1.py", 10)), True),
        ("Fix the loader", (("data/loader.py", 90), ("metrics/f1.py", 3)), False),
        ("Fix the loader; rename the metric", (("a.py", 1), ("b.py", 1)), True),
        ("Add dropout", (("model.py", 10), ("train.py", 10)), False),
        ("Tune", (("experiments/a.yaml", 3), ("README.md", 3)), False),
    ],
)
def test_a_commit_mixes_concerns_by_its_areas_and_its_message(
    subject: str, changes: tuple[tuple[str, int], ...], mixed: bool
) -> None:
    assert bool(mixes(*about(subject, *changes))) is mixed


def test_a_message_that_lists_things_counts_too() -> None:
    told = about("Various", ("a.py", 1), ("b.py", 1), body="- the loader\n- the metric\n- the plot")
    assert "lists several" in mixes(*told)


def test_what_goes_along_is_a_concern_only_where_nothing_else_changes() -> None:
    assert concerns_of(about("x", ("README.md", 9), ("data/x.py", 1))[1]) == ("data",)
    assert concerns_of(about("x", ("README.md", 9))[1]) == ("docs",)


def test_files_that_an_earlier_commit_made_or_renamed_are_needed_directly_and_not() -> None:
    changes = {
        "1": [Change("a.py", "A")],
        "2": [Change("b.py", "R", before="a.py")],
        "3": [Change("b.py", "M")],
        "4": [Change("c.py", "M")],
        "5": [Change("b.py", "D")],
    }
    needs = needed_by_files(list(changes), changes)
    assert {sha: [one.sha for one in found] for sha, found in needs.items()} == {
        "1": [], "2": ["1"], "3": ["2"], "4": [], "5": ["2"],
    }  # fmt: skip
    assert "renamed from a.py" in needs["3"][0].why
    assert with_needed(["3"], needs) == {"1", "2", "3"}


def test_the_fallback_copies_one_concern_at_a_time_keeps_the_author_and_says_what_comes_along() -> None:
    commit, _ = about("Fix the loader and rename the metric")
    changes = (
        Change("data/x.py", "M"),
        Change("metrics/f1.py", "R", before="metrics/f.py"),
        Change("metrics/o.py", "D"),
    )
    pick = Pick(commit, ("data", "metrics"), "mixes", (Needs("c" * 40, "lines", "why"),), Trial("clean"), "", changes)
    first, second = fallback_of(pick, "feature", {"data/x.py": ["d" * 40]}, {})
    assert first.commands == (
        ("git", "checkout", "feature", "--", "data/x.py"),
        ("git", "commit", f"--reuse-message={'a' * 40}"),
    )
    assert "dddddddd" in first.why
    assert ("git", "rm", "--quiet", "--ignore-unmatch", "--", "metrics/f.py", "metrics/o.py") in second.commands
    assert fallback_of(Pick(commit, ("data",), "", (), Trial("clean"), ""), "feature", {}, {}) == []
