"""The tests that a plan began with, and whether a final report tells what they came to.

Practice: 'Validation gates before coding' of docs/practice.md.
"""

import re
from collections.abc import Iterable

from apps.approvals.domain.plans import Draft, Kind, names_nothing, without_joints

_RUNNER = re.compile(r"(?:^|[\s/])(?:py\.?test|unittest|test|tox|nox|jest|vitest)(?=\s|$)")
# With these a runner leaves tests of a file or folder out, so that its name no longer says that the test ran.
_NARROWED = re.compile(r"\s(?:-k|-m|--deselect|--ignore|--ignore-glob|--last-failed|--lf|--collect-only|--co)\b")


def gate_tests(draft: Draft) -> tuple[str, ...]:
    """Return the tests that must be reported: a bug fix's failing test, a feature's acceptance tests."""
    named = {Kind.BUG_FIX: (draft.failing_test,), Kind.FEATURE: draft.acceptance_tests}.get(draft.kind, ())
    return tuple(dict.fromkeys(one for one in named if not names_nothing(one)))


def missing_tests(draft: Draft, commands: Iterable[str]) -> tuple[str, ...]:
    """Return the tests of the gate that none of the commands runs, in the plan's order."""
    told = tuple(commands)
    return tuple(test for test in gate_tests(draft) if not any(tells_of(command, test) for command in told))


def tells_of(command: str, test: str) -> bool:
    """Whether a command names the test word for word, or is a test runner that gets its file or folder."""
    command, test = _plain(command), _plain(test)
    if f" {test} " in f" {command} ":
        return True
    runner = _RUNNER.search(command)
    if runner is None or _NARROWED.search(command, runner.end()):
        return False
    given = command[runner.end() :].split()
    return any(_lies_in(part, one) for part in test.split() if _is_place(part) for one in given)


def _is_place(word: str) -> bool:
    return "::" in word or "/" in word or word.endswith(".py")


def _lies_in(test: str, place: str) -> bool:
    place = place.removeprefix("./").rstrip("/")
    test = test.removeprefix("./")
    return bool(place) and (test == place or test.startswith((f"{place}::", f"{place}/")))


def _plain(text: str) -> str:
    """A test may have several lines, and letters joined unseen; a command of a result has neither."""
    return " ".join(without_joints(text).split())
