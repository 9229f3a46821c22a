"""What is reported of a deploy, and what a final report must hold.

Practice: 'Include validation commands in plan and final report' of docs/practice.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apps.approvals.domain.errors import Refused
from apps.approvals.domain.gates import missing_tests
from apps.approvals.domain.plans import LONGEST, Draft, Kind, check_exact, check_line

MOST_RESULTS = 100  # of one final report
LONGEST_VERDICT = 200


@dataclass(frozen=True, slots=True)
class Result:
    """What a validation command came to. ``exit_status`` 0 is a pass; that of a command which a signal
    ended is 128 and more, or negative.
    """

    command: str
    exit_status: int
    output: str = ""

    @property
    def passed(self) -> bool:
        return self.exit_status == 0


def verdict(result: Result) -> str:
    """Return a result in one line: how the command ended, and the last thing that it said."""
    said = [line.strip() for line in result.output.splitlines() if line.strip()]
    ended = f"exit status {result.exit_status}"
    return f"{ended}: {said[-1][:LONGEST_VERDICT]}" if said else ended


def missing_commands(draft: Draft, results: Iterable[Result]) -> tuple[str, ...]:
    """Return the validation commands of a plan that have no result, in the plan's order."""
    told = {result.command.strip() for result in results}
    return tuple(command for command in draft.commands if command.strip() not in told)


def check_final(draft: Draft, results: Sequence[Result]) -> None:
    """Raise unless every validation command of the plan has one result, and so have the tests that it began with;
    the sentence names those that have none.

    Of what is reported beyond them every command must be one that a page can show: 4,000 characters at the most.
    """
    if len(results) > MOST_RESULTS:
        raise Refused(f"A final report has {MOST_RESULTS} results at the most; this one has {len(results)}.")
    for number, result in enumerate(results, 1):
        check_line(f"The command of result {number}", result.command, LONGEST)
        check_exact(f"The command of result {number}", result.command)
    if missing := missing_commands(draft, results):
        named = "; ".join(f"'{command}'" for command in missing)
        raise Refused(f"The final report lacks the result of {named}: run every validation command of the plan.")
    commands = [result.command.strip() for result in results]
    if untold := missing_tests(draft, commands):
        raise Refused(_lacks_tests(draft.kind, untold))
    if doubled := next((one for one in commands if commands.count(one) > 1), ""):
        raise Refused(f"The final report has two results of '{doubled}': report the last one only.")
    if odd := next((one for one in results if not is_status(one.exit_status)), None):
        raise Refused(f"The exit status of '{odd.command}' is a whole number; 0 is a pass.")


def _lacks_tests(kind: Kind, tests: Sequence[str]) -> str:
    named = "; ".join(f"'{test}'" for test in tests)
    what = "failing test" if kind is Kind.BUG_FIX else "acceptance tests"
    return (
        f"The final report lacks the result of the plan's {what} {named}: run it and report it, "
        "by the name that the plan gives it or by a test command that names its file or folder."
    )


def is_status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -255 <= value <= 2**31 - 1


def check_step(draft: Draft, number: int) -> None:
    """Raise unless the plan has a step of that number, counted from 1."""
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= len(draft.steps):
        raise Refused(f"The plan has the steps 1 to {len(draft.steps)}; there is no step {number}.")
