"""`manage.py plan new|show|status|report`: what an agent does with its plan. Approving is no command: see the page."""

import getpass
import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.approvals.actors import Agent, AtShell
from apps.approvals.domain.errors import Refused
from apps.approvals.domain.plans import Draft
from apps.approvals.domain.reports import Result
from apps.approvals.models import Plan
from apps.approvals.reading import draft_from, results_from
from apps.approvals.selectors import plan_as_json, plan_view
from apps.approvals.services.deploying import finish_deploy, report_progress
from apps.approvals.services.plans import create_plan, revise_plan
from apps.core.clock import utcnow
from apps.core.commands import as_text, database_told
from apps.core.errors import SweepboardError
from apps.handovers.selectors import handover_of

DONE, REFUSED, UNKNOWN = 0, 1, 3
LARGEST = 8 << 20  # bytes of a file that is read


class Command(BaseCommand):
    help = """Plans: new, show, status, report. A plan is approved by a person, on its page, and by nothing else.

  plan new HANDOVER --title T --kind 'bug fix' --failing-test tests/test_x.py::test_y --step 'what => command'
  plan new HANDOVER --file plan.json          ('-' reads it from the standard input)
  plan new --revises PLAN …                   a new version; an approval of the old one is void
  plan show PLAN                              its text, as people read it
  plan status PLAN [--json]
  plan report PLAN --step 2 [--exit 0 --output FILE]
  plan report PLAN --final --result 'command => 0' …      or --final --file results.json
                                              of every validation command, and of the failing or acceptance tests

Exit status: 0 done; 1 refused, not found, or `status` of a plan that may not be carried out now; 2 wrong arguments;
3 the database cannot be read."""
    requires_system_checks: list[str] = []

    def create_parser(self, *args: Any, **options: Any) -> Any:
        return super().create_parser(*args, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=["new", "show", "status", "report"])
        parser.add_argument("subject", nargs="?", default="", type=as_text, metavar="HANDOVER|PLAN")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON line")
        parser.add_argument("--agent", default="", type=as_text, help="the agent's name; without it the user's")
        parser.add_argument("--key", default="", type=as_text, help="idempotency key: the same one makes one row")
        parser.add_argument("--file", default="", help="the plan or the results as JSON; '-' is the standard input")
        for name in ("--title", "--kind", "--failing-test", "--summary", "--remark"):
            parser.add_argument(name, default="", type=as_text)
        for name in ("--risk", "--touches", "--acceptance-test", "--result"):
            parser.add_argument(name, action="append", default=[], type=as_text)
        parser.add_argument("--step", action="append", default=[], type=as_text, help="'what => command', or a number")
        parser.add_argument("--revises", type=int, default=None, metavar="PLAN")
        parser.add_argument("--exit", type=int, default=None, dest="exit_status", help="of the validation command")
        parser.add_argument("--output", default="", help="a file with its output; '-' is the standard input")
        parser.add_argument("--final", action="store_true", help="the final report")

    def handle(self, *args: Any, **options: Any) -> None:
        self.options, self.now = options, utcnow()
        try:
            with database_told(UNKNOWN):
                status = getattr(self, f"_{options['act']}")()
        except SweepboardError as error:
            raise CommandError(str(error), returncode=REFUSED) from error
        sys.exit(status)

    def _new(self) -> int:
        draft, by, key = self._draft(), self._actor(), self.options["key"]
        if (number := self.options["revises"]) is not None:
            plan = _plan(str(number))
            revise_plan(plan=plan, draft=draft, by=by, now=self.now, key=key)
            plan = _plan(str(number))
        else:
            if not self.options["subject"]:
                raise CommandError("`plan new` needs the HANDOVER that it stands on.", returncode=2)
            plan = create_plan(handover=handover_of(self.options["subject"]), draft=draft, by=by, now=self.now, key=key)
        self._tell(plan, f"Plan {plan.pk} waits for a person: only Approve on /plans/{plan.pk} approves it.")
        return DONE

    def _show(self) -> int:
        plan = _plan(self.options["subject"])
        version = plan_view(plan).version
        if self.options["as_json"]:
            self.stdout.write(json.dumps({**plan_as_json(plan, self.now), "text": version.text}))
        else:
            self.stdout.write(version.text, ending="")
        return DONE

    def _status(self) -> int:
        plan = _plan(self.options["subject"])
        told = plan_as_json(plan, self.now)
        void = " Its approval is void: the text changed." if told["approval_void"] else ""
        expired = " It expired." if told["expired"] else ""
        self._tell(plan, f"Plan {plan.pk} is {plan.state} (version {told['version']}).{void}{expired}")
        return DONE if told["may_deploy"] or plan.state == "deployed" else REFUSED

    def _report(self) -> int:
        plan, by, told = _plan(self.options["subject"]), self._actor(), self.options
        if told["final"]:
            made = finish_deploy(plan=plan, results=self._results(), by=by, now=self.now, summary=told["summary"])
            said = "is deployed" if made.passed else "failed: a validation command did not end with 0"
            self._tell(_plan(str(plan.pk)), f"Plan {plan.pk} {said}.")
            return DONE
        output = _read(told["output"]) if told["output"] else ""
        report_progress(
            plan=plan, step=_number(told["step"]), by=by, now=self.now, exit_status=told["exit_status"],
            output=output, remark=told["remark"], key=told["key"],
        )  # fmt: skip
        self._tell(_plan(str(plan.pk)), f"Step {told['step'][0]} of plan {plan.pk} is noted.")
        return DONE

    def _draft(self) -> Draft:
        told = self.options
        if told["file"]:
            return draft_from(_json(told["file"]))
        steps = [dict(zip(("text", "command"), _parted(one), strict=True)) for one in told["step"]]
        return draft_from({
            "title": told["title"], "kind": told["kind"], "steps": steps, "risks": told["risk"],
            "touches": told["touches"], "failing_test": told["failing_test"],
            "acceptance_tests": told["acceptance_test"],
        })  # fmt: skip

    def _results(self) -> tuple[Result, ...]:
        if self.options["file"]:
            return results_from(_json(self.options["file"]))
        parted = [_parted(one) for one in self.options["result"]]
        return results_from([{"command": command, "exit_status": _whole(status)} for command, status in parted])

    def _actor(self) -> Agent | AtShell:
        return Agent(self.options["agent"]) if self.options["agent"] else AtShell(f"{getpass.getuser()} (command line)")

    def _tell(self, plan: Plan, sentence: str) -> None:
        self.stdout.write(json.dumps(plan_as_json(plan, self.now)) if self.options["as_json"] else sentence)


def _plan(number: str) -> Plan:
    found = None
    if number.isdecimal() and len(number) < 16:
        found = Plan.objects.select_related("handover__workspace").filter(pk=int(number)).first()
    if found is None:
        raise Refused(f"There is no plan '{number}'; `plan new` says the number of one.")
    return found


def _parted(text: str) -> tuple[str, str]:
    """Part 'what => command' at its last arrow."""
    what, arrow, command = text.rpartition("=>")
    if not arrow:
        raise Refused(f"'{text[:60]}' lacks its ' => ': write 'what is done => the command that proves it'.")
    return what.strip(), command.strip()


def _number(words: list[str]) -> int:
    if len(words) != 1 or not words[0].isdecimal() or len(words[0]) > 3:
        raise CommandError("`plan report` needs --step NUMBER, or --final.", returncode=2)
    return int(words[0])


def _whole(text: str) -> object:
    return int(text) if text.lstrip("-").isdecimal() and len(text) < 12 else text


def _read(name: str) -> str:
    """Return a file's text, at most ``LARGEST`` bytes; what is no text in it becomes a mark."""
    try:
        with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
            return file.read(LARGEST).decode(errors="replace")
    except OSError as error:
        raise Refused(f"{name} cannot be read ({error.strerror}).") from error


def _json(name: str) -> object:
    try:
        return json.loads(_read(name))
    except (ValueError, RecursionError) as error:
        raise Refused(f"{name} is no JSON: {error}.") from error
