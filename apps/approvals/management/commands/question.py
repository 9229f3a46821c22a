"""`manage.py question ask|status|withdraw`: what an agent does with its questions. Answering is no command."""

import getpass
import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.approvals.actors import Agent, AtShell
from apps.approvals.domain.errors import Refused
from apps.approvals.domain.questions import QuestionDraft
from apps.approvals.models import Plan, Question
from apps.approvals.reading import question_from
from apps.approvals.selectors import question_as_json, questions
from apps.approvals.services.questions import ask_question, withdraw_question
from apps.core.clock import utcnow
from apps.core.commands import as_text, database_told
from apps.core.errors import SweepboardError
from apps.handovers.selectors import handover_of

DONE, REFUSED, UNKNOWN = 0, 1, 3


class Command(BaseCommand):
    help = """Questions: ask, status, withdraw. A question is answered by a person, on a page, and by nothing else.

  question ask 'Which schedule?' --option 'linear=Keep linear => no change' --option 'cosine=Back to cosine => 3 h lost'
  question status QUESTION [--json]
  question withdraw QUESTION [--reason WHY]

An --option is 'id=label => what follows from it'; the first one is what you suggest. Two to six of them.

Exit status: 0 done, and for `status` answered; 1 refused or not found; 2 wrong arguments; 3 not answered yet, or the
database cannot be read."""
    requires_system_checks: list[str] = []

    def create_parser(self, *args: Any, **options: Any) -> Any:
        return super().create_parser(*args, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=["ask", "status", "withdraw"])
        parser.add_argument("subject", type=as_text, metavar="TITLE|QUESTION")
        parser.add_argument("--option", action="append", default=[], type=as_text, metavar="'id=label => consequence'")
        parser.add_argument("--multiple", action="store_true", help="more than one option may be chosen")
        for name in ("--context", "--deadline", "--handover", "--agent", "--key", "--reason"):
            parser.add_argument(name, default="", type=as_text)
        parser.add_argument("--plan", type=int, default=None)
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON line")

    def handle(self, *args: Any, **options: Any) -> None:
        self.options = options
        try:
            with database_told(UNKNOWN):
                status = getattr(self, f"_{options['act']}")()
        except SweepboardError as error:
            raise CommandError(str(error), returncode=REFUSED) from error
        sys.exit(status)

    def _ask(self) -> int:
        told = self.options
        plan = Plan.objects.filter(pk=told["plan"]).first() if told["plan"] is not None else None
        if told["plan"] is not None and plan is None:
            raise Refused(f"There is no plan {told['plan']}.")
        handover = handover_of(told["handover"]) if told["handover"] else None
        asked = ask_question(
            draft=self._draft(), by=self._actor(), now=utcnow(), handover=handover, plan=plan, key=told["key"]
        )
        self._tell(asked, f"Question {asked.pk} waits for a person, on /questions/{asked.pk}.")
        return DONE

    def _status(self) -> int:
        found = _question(self.options["subject"])
        said = found.said
        answer = f"{said.by} answered: {', '.join(said.labels)}." if said else "Nobody answered yet."
        self._tell(found, f"Question {found.pk} was withdrawn." if found.state == "withdrawn" else answer)
        return DONE if said else UNKNOWN if found.state == "open" else REFUSED

    def _withdraw(self) -> int:
        held = withdraw_question(
            question=_question(self.options["subject"]), by=self._actor(), now=utcnow(), reason=self.options["reason"]
        )
        self._tell(held, f"Question {held.pk} is withdrawn.")
        return DONE

    def _draft(self) -> QuestionDraft:
        told = self.options
        return question_from({
            "title": told["subject"], "options": [_option(one) for one in told["option"]],
            "context": told["context"], "allow_multiple": told["multiple"], "deadline": told["deadline"],
        })  # fmt: skip

    def _actor(self) -> Agent | AtShell:
        return Agent(self.options["agent"]) if self.options["agent"] else AtShell(f"{getpass.getuser()} (command line)")

    def _tell(self, question: Question, sentence: str) -> None:
        self.stdout.write(json.dumps(question_as_json(question)) if self.options["as_json"] else sentence)


def _question(number: str) -> Question:
    found = questions().filter(pk=int(number)).first() if number.isdecimal() and len(number) < 16 else None
    if found is None:
        raise Refused(f"There is no question '{number}'; `question ask` says the number of one.")
    return found


def _option(text: str) -> dict[str, str]:
    """Part 'id=label => consequence'; without an id the options are called by letters."""
    named, _, consequence = text.partition("=>")
    id, equals, label = named.partition("=")
    told = {"label": (label if equals else named).strip(), "consequence": consequence.strip()}
    return {"id": id.strip(), **told} if equals else told
