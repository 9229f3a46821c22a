"""`manage.py close_run RUN_ID [--project entity/project] [--yes]`: mark a zombie as failed in W&B, and wait for it."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.closing.domain import WILL_SHOW
from apps.closing.models import CloseRequest
from apps.closing.selectors import check_can_close, evidence_of, run_named
from apps.closing.services import ask_for_closing, drive_closing
from apps.closing.tasks import tools
from apps.core.clock import utcnow
from apps.core.commands import as_text, database_told
from apps.core.errors import SweepboardError

NOT_CONFIRMED = 3


class Command(BaseCommand):
    help = (
        "Mark a run as failed in W&B that W&B calls running and that no job carries. Shows the evidence; does "
        "nothing without --yes. Exit status: 0 done, or nothing to confirm; 1 refused or failed; 3 waits for a source."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run_id", type=as_text, help="W&B's id of the run")
        parser.add_argument(
            "--project", default="", type=as_text, help="entity/project, where several have a run of that id"
        )
        parser.add_argument("--yes", action="store_true", help="close it; without this, only the evidence is shown")

    def handle(self, *args: Any, **options: Any) -> None:
        with database_told(1):
            self._close(options)

    def _close(self, options: dict[str, Any]) -> None:
        try:
            run = run_named(options["run_id"], options["project"])
            self.stdout.write(f"Run {run.run_id} of {run.project_path}")
            for sentence in evidence_of(run, utcnow()):
                self.stdout.write(f"- {sentence}")
            if not options["yes"]:
                check_can_close(run, utcnow())
                self.stdout.write(f"{WILL_SHOW}\nNothing was done. Say --yes to close it.")
                return
            asked = ask_for_closing(run=run, actor=f"{getpass.getuser()} (command line)", now=utcnow())
        except SweepboardError as error:
            raise CommandError(str(error)) from error
        self._drive(asked)

    def _drive(self, asked: CloseRequest) -> None:
        """Drive the request here and now; what must wait is driven on by the workers."""
        state = drive_closing(request_pk=asked.pk, tools=tools(), clock=utcnow)
        asked.refresh_from_db()
        if state in ("refused", "failed"):
            raise CommandError(f"{state.capitalize()}: {asked.said}")
        self.stdout.write(f"{state.capitalize()}: {asked.said}")
        if state in ("queued", "running"):
            sys.exit(NOT_CONFIRMED)
