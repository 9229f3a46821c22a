"""A claim is warned of until a check that could prove it has a result."""

import pytest

from apps.handovers.domain.claims import claims_without_proof
from apps.handovers.domain.document import Check
from apps.handovers.domain.lines import Line


def warned(claim: str, *checks: tuple[str, str]) -> list[str]:
    told = [Check(command, result) for command, result in checks]
    return [one.sentence for one in claims_without_proof([Line(1, claim)], told) if one.id == "claim-without-proof"]


@pytest.mark.parametrize(
    ("command", "result"),
    [
        ("ls -la", "3 files"),
        ("ls tests/", "12 files"),
        ("git diff --stat tests", "2 files changed"),
        ("ruff check tests", "clean"),
        ("cat test.log | tail -1", "nothing odd"),
        ("python latest.py", "done"),
        ("pytest -q", ""),
    ],
)
@pytest.mark.parametrize("claim", ["all tests pass", "- The suite is green.", "Fully tested", "pytest passes"])
def test_a_check_that_runs_no_tests_proves_no_claim_about_tests(claim: str, command: str, result: str) -> None:
    assert len(warned(claim, (command, result))) == 1


@pytest.mark.parametrize(
    "command",
    [
        *(
            "pytest -q",
            ".venv/bin/python -m pytest tests/unit",
            "python -m unittest",
            "tox",
            "nox -s unit",
            "make test",
        ),
        *("npm test", "npm run test:unit", "yarn test", "ctest --output-on-failure", "go test ./...", "cargo test"),
        *("manage.py test", "./run_tests.sh", "cd repo && pytest", "ls && make test", "srun -n1 pytest", "Unit tests"),
    ],
)
def test_a_run_of_tests_with_a_result_proves_it(command: str) -> None:
    assert warned("all tests pass", ("ls -la", "3 files"), (command, "ok")) == []


def test_a_result_that_counts_tests_proves_it_whatever_the_command_is_called() -> None:
    assert warned("all tests pass", ("make everything", "312 passed in 8.1s")) == []
    assert warned("all tests pass", ("make everything", "12 files")) == [
        "'all tests pass' has no run of tests with a result."
    ]


def test_other_claims_are_proved_by_any_result_and_by_nothing_less() -> None:
    assert warned("lint is clean", ("ruff check .", "no finding")) == []
    assert warned("no regressions", ("python compare.py", "same curve")) == []
    assert warned("lint is clean", ("ruff check .", "")) == ["'lint is clean' has no command with a result."]


def test_what_is_wished_for_or_denied_is_no_claim() -> None:
    assert warned("make sure that all tests pass", ("ls", "3 files")) == []
    assert warned("tests do not pass yet", ("ls", "3 files")) == []
