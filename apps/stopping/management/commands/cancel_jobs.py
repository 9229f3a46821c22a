"""`manage.py cancel_jobs JOB_ID… [--cluster NAME] [--yes]`: cancel exactly these jobs, and say what goes with each."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.clock import utcnow
from apps.core.commands import as_text, database_told
from apps.slurm.models import Job
from apps.stopping.selectors import lines_of
from apps.stopping.services import ask_to_cancel, drive_cancel
from apps.stopping.tasks import tools

NOT_CONFIRMED = 3


class Command(BaseCommand):
    help = (
        "Cancel the named jobs and no others. Shows what each carries and would lose; does nothing without --yes. "
        "Exit status: 0 told to Slurm, or nothing to do; 1 refused or failed; 3 waits for a source."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("job_id", nargs="+", type=as_text, help="12345, or 12345_7 for a task of an array")
        parser.add_argument("--cluster", default="", type=as_text, help="where several clusters have a job of that id")
        parser.add_argument("--yes", action="store_true", help="cancel them; without this, only the evidence is shown")

    def handle(self, *args: Any, **options: Any) -> None:
        with database_told(1):
            self._cancel([_job(one, options["cluster"]) for one in dict.fromkeys(options["job_id"])], options["yes"])

    def _cancel(self, jobs: list[Job], yes: bool) -> None:
        for line in lines_of(jobs, utcnow()):
            run = f", run {line.run.run_id}" if line.run else ""
            told = line.refusal or f"Would be lost: {line.loss}"
            self.stdout.write(f"- {line.job.job_id} {line.job.name} {line.job.state}{run}. {told}")
        if not yes:
            self.stdout.write("Nothing was done. Say --yes to cancel them.")
            return
        asked, left_out = ask_to_cancel(jobs=jobs, actor=f"{getpass.getuser()} (command line)", now=utcnow())
        states = {one.job_id: drive_cancel(request_pk=one.pk, tools=tools(), clock=utcnow) for one in asked}
        for job_id, state in states.items():
            self.stdout.write(f"{job_id}: {state}")
        if left_out or set(states.values()) & {"refused", "failed"}:
            raise CommandError(" ".join(left_out) or "Not every job was cancelled: the lines above say which.")
        if "asked" in states.values():
            sys.exit(NOT_CONFIRMED)


def _job(job_id: str, cluster: str) -> Job:
    """Return the last attempt of a job; a ``CommandError`` where none or several clusters know it."""
    found = Job.objects.filter(job_id=job_id, **({"cluster": cluster} if cluster else {}))
    clusters = sorted(set(found.values_list("cluster", flat=True)))
    if not clusters:
        raise CommandError(f"No job {job_id} is known; `manage.py sync slurm` reads Slurm.")
    if len(clusters) > 1:
        raise CommandError(f"Job {job_id} is on {', '.join(clusters)}: name one with --cluster.")
    return found.latest("submit_at")
