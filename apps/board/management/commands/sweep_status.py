"""`manage.py sweep_status [SWEEP]`: the answer for a chat."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.board.report import sweep_status_markdown
from apps.core.errors import Permanent


class Command(BaseCommand):
    help = "Print the status of one sweep, or of all active ones, as a Markdown table."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("sweep", nargs="?", default="", help="a W&B sweep id")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(sweep_status_markdown(options["sweep"]))
        except Permanent as error:
            raise CommandError(str(error)) from error
