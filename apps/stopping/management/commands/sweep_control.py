"""`manage.py sweep_control SWEEP pause|resume|stop|cancel [--yes]`: steer a sweep in W&B, and wait for it."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.clock import utcnow
from apps.core.commands import as_text, database_told
from apps.core.errors import SweepboardError
from apps.stopping.models import SweepRequest
from apps.stopping.selectors import lines_of, live_jobs_of
from apps.stopping.steering import ask_to_steer, check_can_steer, drive_steering
from apps.stopping.tasks import tools
from apps.sweeps.control import STATE_AFTER, WHAT_IT_DOES
from apps.sweeps.models import Sweep
from apps.sweeps.selectors import sweep_named

NOT_CONFIRMED = 3


class Command(BaseCommand):
    help = (
        "Pause, resume, stop or cancel a sweep in W&B. Shows the jobs that work for it; does nothing without --yes. "
        "Exit status: 0 done, or nothing to do; 1 refused or failed; 3 waits for W&B."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("sweep", type=as_text, help="W&B's id of the sweep")
        parser.add_argument("wish", choices=sorted(STATE_AFTER))
        parser.add_argument("--project", default="", type=as_text, help="entity/project, where several know the id")
        parser.add_argument("--yes", action="store_true", help="do it; without this, only what it means is shown")

    def handle(self, *args: Any, **options: Any) -> None:
        with database_told(1):
            try:
                self._steer(sweep_named(options["sweep"], options["project"]), options["wish"], options["yes"])
            except SweepboardError as error:
                raise CommandError(str(error)) from error

    def _steer(self, sweep: Sweep, wish: str, yes: bool) -> None:
        self.stdout.write(f"Sweep {sweep.sweep_id} of {sweep.project_path} is {sweep.state}.")
        self.stdout.write(f"{wish}: {WHAT_IT_DOES[wish]}.")
        for line in lines_of(live_jobs_of(sweep), utcnow()):
            run = f", run {line.run.run_id}" if line.run else ""
            self.stdout.write(f"- job {line.job.job_id} {line.job.state}{run}. A cancel would lose: {line.loss}")
        if not yes:
            check_can_steer(sweep, wish)
            self.stdout.write("Nothing was done. Say --yes to do it.")
            return
        self._drive(ask_to_steer(sweep=sweep, wish=wish, actor=f"{getpass.getuser()} (command line)", now=utcnow()))

    def _drive(self, asked: SweepRequest) -> None:
        """Do it here and now, and look a second time; what must wait is driven on by the workers."""
        for _ in range(2):
            state = drive_steering(request_pk=asked.pk, tools=tools(), clock=utcnow)
        asked.refresh_from_db()
        if state in ("refused", "failed"):
            raise CommandError(f"{state.capitalize()}: {asked.said}")
        self.stdout.write(f"{state.capitalize()}: {asked.said}")
        if state != "done":
            sys.exit(NOT_CONFIRMED)
