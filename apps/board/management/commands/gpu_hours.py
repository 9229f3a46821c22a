"""`manage.py gpu_hours [--days N]`: who had the GPUs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.board.gpu_hours import USUAL, Share, gpu_hours
from apps.core.clock import utcnow


class Command(BaseCommand):
    help = "Print the GPU hours of the last days by user and by sweep."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=USUAL, help=f"how many days back ({USUAL} by default)")

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["days"]
        if not 1 <= days <= 3650:
            raise CommandError("--days is a number of days from 1 to 3650.")
        data = gpu_hours(days, utcnow())
        self.stdout.write(f"{data.total:.1f} GPU hours in {days} d, {data.attempts} attempts")
        for one in data.clusters:
            if not one.ok:
                self.stdout.write(f"Slurm {one.scope} did not answer at the last pass: {one.error or 'never read'}")
        self._table("by user", data.users)
        self._table("by sweep", data.sweeps)

    def _table(self, title: str, shares: list[Share]) -> None:
        self.stdout.write(f"\n{title}")
        for one in shares:
            known_as = " ".join(part for part in (one.name, one.sweep_id, one.url) if part)
            self.stdout.write(f"{one.hours:10.1f} h {one.percent:5.1f} %  {known_as}")
