"""`manage.py check_runs [--sweep S] [--json]`: the verdict on each run, as the board has it, for scripts and CI."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.audit.selectors import freshness
from apps.core.clock import utcnow
from apps.core.commands import as_text, database_told
from apps.core.units import with_ages
from apps.flags.domain import Resumable
from apps.flags.selectors import CheckedRun, checked_runs

EXIT = {"critical": 2, "warning": 1}
UNKNOWN = 3


class Command(BaseCommand):
    help = (
        "Tell the next action of each run. Exit status: 0 calm, 1 a warning is open, 2 something critical is; "
        "3 it cannot be told: no database, nothing ever read, or an unknown sweep."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--sweep", default="", type=as_text, help="only the runs of this sweep (its id)")
        parser.add_argument("--all", action="store_true", help="ended runs without a flag as well")
        parser.add_argument("--json", dest="as_json", action="store_true", help="a JSON line for each run")

    def handle(self, *args: Any, **options: Any) -> None:
        with database_told(UNKNOWN):
            self._check(options)

    def _check(self, options: dict[str, Any]) -> None:
        self._tell_silence()
        runs = checked_runs(options["sweep"], everything=options["all"])
        if options["sweep"] and not runs and not checked_runs(options["sweep"], everything=True):
            raise CommandError(
                f"No run of a sweep '{options['sweep']}' is known; `manage.py sync` reads W&B again.",
                returncode=UNKNOWN,
            )
        now = utcnow()
        for one in runs:
            self.stdout.write(json.dumps(_line(one, now)) if options["as_json"] else _sentence(one))
        sys.exit(max((EXIT.get(one.severity, 0) for one in runs), default=0))

    def _tell_silence(self) -> None:
        """Say which source was not read well the last time; what was never read at all is not calm but unknown."""
        sources = freshness()
        for one in sources:
            if one.error:
                self.stderr.write(f"{one.source} {one.scope} was not read: {one.error}")
        if not any(one.source == "wandb" and one.good_at for one in sources):
            raise CommandError("W&B was never read well; `manage.py sync` reads it.", returncode=UNKNOWN)


def _line(one: CheckedRun, now: Any) -> dict[str, Any]:
    status = one.status
    return {
        "run_id": one.run.run_id,
        "sweep_id": one.run.sweep.sweep_id if one.run.sweep else None,
        "job_id": status.job.job_id if status.job else None,
        "verdict": status.verdict,
        "resumable": Resumable(status.resumable).slug if status.resumable else None,
        "flags": [flag.rule for flag in one.flags],
        "epoch": status.epoch,
        "step": status.step,
        "target_epochs": status.target_epochs,
        "percent": status.percent,
        "sources_agree": {"agree": True, "disagree": False}.get(status.agreement),
        "evidence": [with_ages(sentence, now) for sentence in status.chain],
    }


def _sentence(one: CheckedRun) -> str:
    flags = ", ".join(flag.rule for flag in one.flags) or "no flags"
    return f"{one.run.run_id:12} {one.status.verdict:20} {flags} ({one.status.verdict_reason})"
