"""`manage.py classify_logs PATH… [--json]`: why jobs died, by their logs alone."""

import json
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import Permanent
from apps.core.units import number
from apps.joblogs.classifying import JobReport, classify
from apps.joblogs.crash_page import page
from apps.joblogs.pairs import is_log, pair_logs, partners
from apps.joblogs.wiring import log_store
from apps.workspaces.config import LogsConfig
from apps.workspaces.selectors import current_config

NOTHING_FAILED, SOMETHING_FAILED, UNREADABLE = 0, 1, 2


class Command(BaseCommand):
    help = """Tell why jobs died and whether they can be resumed, by their logs. Needs no database.

A PATH is a log, or a folder that is searched for logs. A job's .out and .err belong together; the last run in them
counts. Exit status: 0 nothing failed, 1 something failed, 2 a path cannot be read."""
    requires_system_checks: list[str] = []

    def create_parser(self, *args: Any, **options: Any) -> Any:
        return super().create_parser(*args, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="*", metavar="PATH")
        parser.add_argument("--classes", action="store_true", help="print what the classes are (docs/crash-classes.md)")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON line for each job")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["classes"]:
            self.stdout.write(page(), ending="")
            return
        if not options["paths"]:
            raise CommandError("Name at least one log or folder.", returncode=UNREADABLE)
        self.problems = 0
        limits, store = self._limits(), log_store()
        failed = False
        if not options["as_json"]:
            self.stdout.write(_row("CLASS", "RESUMABLE", "EPOCH", "STEP", "LOG"))
        for pair in pair_logs(self._logs(options["paths"])):
            report = classify(pair, store, limits)
            failed |= report.decision.failed
            self.problems += report.unread
            self.stdout.write(json.dumps(report.as_json()) if options["as_json"] else _table_rows(report))
            self.stdout.flush()
        sys.exit(UNREADABLE if self.problems else SOMETHING_FAILED if failed else NOTHING_FAILED)

    def _limits(self) -> LogsConfig:
        try:
            return current_config().logs
        except Permanent as error:
            self.stderr.write(f"{error}\nThe default limits are used.")
            return LogsConfig()

    def _logs(self, paths: list[str]) -> Iterator[str]:
        for path in paths:
            if Path(path).is_dir():
                yield from self._logs_below(path)
            elif os.path.lexists(path):
                yield path
                yield from (other for other in partners(path) if Path(other).is_file())
            else:
                self._tell(f"{path} is not there.")

    def _logs_below(self, folder: str) -> Iterator[str]:
        found = False
        for root, folders, names in os.walk(folder, onerror=lambda error: self._tell(f"{error}.")):
            folders.sort()
            logs = [str(Path(root) / name) for name in sorted(names) if is_log(name)]
            found |= bool(logs)
            yield from logs
        if not found:
            self.stderr.write(f"{folder} holds no logs (*.out, *.err, *.log).")

    def _tell(self, sentence: str) -> None:
        self.problems += 1
        self.stderr.write(sentence)


def _row(*cells: str) -> str:
    widths = (19, 13, 12, 10)
    return "".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)) + cells[-1]


def _table_rows(report: JobReport) -> str:
    """One line for the job, and one below it with what proves it."""
    epoch = number(report.epoch) + (f"/{number(report.target_epochs)}" if report.target_epochs else "")
    log = report.pair.err if report.pair.out is None else report.pair.out
    decision = report.decision
    first = _row(decision.crash_class, decision.resumable.value, epoch, number(report.step), _plain(log or ""))
    if not decision.failed:
        return first
    proof = "".join(f"\n    {_plain(f'{one.file}:{one.line}: {one.text}')}" for one in decision.proof[:1])
    return f"{first}\n    {_plain(decision.reason)}{proof}"


def _plain(text: str) -> str:
    """A terminal obeys control characters, and what is no text cannot be printed: both are spelled out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
