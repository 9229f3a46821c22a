"""`manage.py restart_check RUN|SWEEP [--project entity/project]`: what a restart would lose, and the way instead."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.clock import utcnow
from apps.core.commands import as_text, database_told
from apps.core.errors import SweepboardError
from apps.restart.domain import Way
from apps.restart.presenting import Shown, shown_restart
from apps.restart.selectors import subject_named

REFUSED, UNKNOWN = 1, 3


class Command(BaseCommand):
    help = (
        "Show what a restart of a run or a sweep would lose and which way the practice allows; changes nothing. Exit "
        "status: 0 agents may be relaunched or a new sweep made, 1 the guard is shut, 3 it cannot be told."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", type=as_text, help="W&B's id of the run or of the sweep")
        parser.add_argument("--project", default="", type=as_text, help="entity/project, where several know the id")

    def handle(self, *args: Any, **options: Any) -> None:
        with database_told(UNKNOWN):
            try:
                shown = shown_restart(subject_named(options["name"], options["project"]), utcnow())
            except SweepboardError as error:
                raise CommandError(str(error), returncode=UNKNOWN) from error
            sys.exit(self._tell(shown))

    def _tell(self, shown: Shown) -> int:
        self.stdout.write(f"A restart of {shown.facts.subject} would lose {shown.loss}.")
        if shown.unknown:
            self.stdout.write(f"Not known: {shown.unknown}")
            return UNKNOWN
        self.stdout.write(f"The way is {shown.way}: {shown.why}.")
        for wish in (Way.RELAUNCH, Way.NEW_SWEEP):
            self.stdout.write(f"{wish}: {shown.shut[wish] or 'allowed'}")
        for run in shown.errors:
            self.stdout.write(f"Fatal config error of run {run.run_id}: {run.proof}")
        for command in shown.commands:
            self.stdout.write(f"By hand: {command}")
        return REFUSED if all(shown.shut.values()) else 0
