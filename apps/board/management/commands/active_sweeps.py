"""`manage.py active_sweeps [--workspace NAME] [--stdout]`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.board.report import active_sweeps_markdown, write_reports
from apps.core.clock import utcnow
from apps.workspaces.selectors import active_workspaces


class Command(BaseCommand):
    help = "Write ACTIVE_SWEEPS.md into every workspace, or print it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workspace", default="", help="only this one")
        parser.add_argument("--stdout", dest="to_stdout", action="store_true", help="print it, write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["workspace"]
        workspaces = [one for one in active_workspaces() if name in ("", one.name)]
        if name and not workspaces:
            raise CommandError(f"No workspace '{name}' is configured.")
        if options["to_stdout"]:
            self.stdout.write(active_sweeps_markdown(name, utcnow()))
            return
        for path in write_reports(workspaces=workspaces, now=utcnow()):
            self.stdout.write(f"Wrote {path}.")
