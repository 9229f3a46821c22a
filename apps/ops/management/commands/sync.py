"""`manage.py sync [wandb|slurm|all] [--full]`: one pass in the foreground."""

import sys
from argparse import ArgumentParser
from typing import Any

import click
from django.core.management.base import BaseCommand, CommandError

from apps.audit.models import SyncPass
from apps.core.errors import SweepboardError
from apps.ops import sync
from apps.slurm.wiring import cluster_names
from apps.workspaces.selectors import current_config


class Command(BaseCommand):
    help = "Pull W&B and Slurm once, in the foreground, and say what was seen and changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", nargs="?", choices=["wandb", "slurm", "all"], default="all")
        parser.add_argument("--full", action="store_true", help="everything, not only what changed")

    def handle(self, *args: Any, **options: Any) -> None:
        before = SyncPass.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        try:
            outcomes = self._passes(options["source"], options["full"])
        except SweepboardError as error:
            raise CommandError(str(error)) from error
        if options["full"]:
            sync.redo_everything()
        self._report(before)
        if any(outcome.busy for outcome in outcomes):
            raise CommandError("Another pass of this source is under way; nothing was done twice.")
        if not all(outcome.ok for outcome in outcomes):
            raise CommandError("At least one source failed; its last good data was kept.")

    def _passes(self, source: str, full: bool) -> list[sync.Outcome]:
        wanted = [name for name in ("wandb", "slurm") if source in (name, "all")]
        steps = len(current_config().projects()) * ("wandb" in wanted) + 5 * len(wanted)
        steps += len(cluster_names()) * ("slurm" in wanted)
        with click.progressbar(length=steps, label="sync", file=sys.stderr) as bar:

            def advance(step: str) -> None:
                bar.label = f"sync: {step}"
                bar.update(1)

            calls = {"wandb": sync.sync_wandb, "slurm": sync.sync_slurm}
            return [calls[name](full=full, progress=advance) for name in wanted]

    def _report(self, before: int) -> None:
        for one in SyncPass.objects.filter(pk__gt=before).order_by("pk"):
            seconds = (one.finished_at - one.started_at).total_seconds()
            self.stdout.write(
                f"{one.source:6} {one.scope:30} seen {one.seen:6}  changed {one.changed:6}  "
                f"requests {one.requests:4}  {seconds:6.2f} s  {one.error or 'ok'}"
            )
