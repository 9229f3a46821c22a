"""`manage.py handover list|show|search|verify|new|pickup|archive|restore`: the registry for terminals and scripts."""

import getpass
import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.clock import utcnow
from apps.core.commands import as_text, database_told
from apps.core.errors import SweepboardError
from apps.handovers.desk import acting, reading
from apps.handovers.desk.options import add_options, checks_of, decisions_of, split_words
from apps.handovers.desk.places import Where, known_workspaces, where_of
from apps.handovers.domain.document import Box
from apps.handovers.domain.verifying import Answer, overall
from apps.handovers.entries import Entry, plain
from apps.handovers.nudging import nudges
from apps.handovers.selectors import find_handovers
from apps.handovers.services.archiving import Outcome
from apps.handovers.services.writing import Wish, preview
from apps.handovers.tasks import byte_limit
from apps.handovers.wiring import document_store, work_source

DONE, REFUSED, UNKNOWN = 0, 1, 3
EXIT = {Answer.PASS: DONE, Answer.FAIL: REFUSED, Answer.UNKNOWN: UNKNOWN}


class Command(BaseCommand):
    help = """Handover documents: list, show, search, verify, new, pickup, archive, restore.

WHERE is a workspace's name or a folder (a checkout, or a worktree); without one it is the folder you are in, or the
workspace that has the KEY, and for list and search every workspace. A folder of no workspace is read straight from
the disk and needs no database. KEY is a whole key or any part of one.

Exit status: 0 done; 1 refused, not found, or a line of verify fails; 2 wrong arguments; 3 it cannot be told (verify),
or somebody else had picked it up before (pickup)."""
    requires_system_checks: list[str] = []

    def create_parser(self, *args: Any, **options: Any) -> Any:
        return super().create_parser(*args, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=["list", "show", "search", "verify", "new", "pickup", "archive", "restore"])
        parser.add_argument("words", nargs="*", type=as_text, metavar="KEY|WHERE")
        parser.add_argument("--workspace", "--in", dest="where", default="", type=as_text, help="WHERE, said by name")
        parser.add_argument("--json", action="store_true", dest="as_json", help="a JSON line for each document")
        add_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self.options, self.store, self.now = options, document_store(), utcnow()
        self.limit = byte_limit()
        try:
            with database_told(UNKNOWN):
                names = {one.name for one in known_workspaces()}
                self.subject, place = split_words(options["words"], options["where"], options["act"], names)
                status = getattr(self, f"_{options['act']}")(place)
        except SweepboardError as error:
            raise CommandError(str(error), returncode=REFUSED) from error
        sys.exit(status)

    def _where(self, place: str) -> Where:
        """The place that is named; else where one is, or the workspace that has the key."""
        if place:
            return where_of(place, self.store)
        here = where_of(str(Path.cwd()), self.store)
        if here.workspace is None and self.subject and known_workspaces():
            rows = find_handovers(" ".join(self.subject))
            return where_of(rows[0].workspace.name, self.store) if rows else here
        return here

    def _places(self, place: str) -> list[Where]:
        """Every workspace where none is named, and the folder one is in where there is no workspace."""
        names = [one.name for one in known_workspaces()] if not place else []
        return [where_of(name, self.store) for name in names] or [self._where(place)]

    def _key(self) -> str:
        if not self.subject:
            raise CommandError(f"`handover {self.options['act']}` needs a KEY.", returncode=2)
        return " ".join(self.subject)

    def _list(self, place: str) -> int:
        if self.options["nudges"]:
            return self._tell_nudges(place)
        for where in self._places(place):
            for one in reading.listed(where, self.store, self.now, self.limit):
                self._tell(one)
        return DONE

    def _tell_nudges(self, place: str) -> int:
        """What is due in registered workspaces; a folder of none has no registry that could know."""
        where = self._where(place) if place else None
        if where is not None and where.workspace is None:
            raise CommandError(f"{where.checkout} belongs to no workspace, so nobody counts its work.", returncode=2)
        for one in nudges(self.now, where.workspace if where else None):
            told = json.dumps(one.as_json()) if self.options["as_json"] else plain(f"{one.kind:22} {one.sentence}")
            self.stdout.write(told)
        return DONE

    def _search(self, place: str) -> int:
        entries = [
            one
            for where in self._places(place)
            for one in reading.found(where, self._key(), self.store, self.now, self.limit)
        ]
        for one in entries:
            self._tell(one)
        return DONE if entries else REFUSED

    def _show(self, place: str) -> int:
        key = self._key()
        one, text = reading.shown(self._where(place), key, self.store, self.now, self.limit)
        if self.options["as_json"]:
            self._tell(one)
            return DONE
        self.stdout.write(text if self.options["raw"] else plain(text), ending="" if text.endswith("\n") else "\n")
        for finding in one.findings:
            self.stderr.write(plain(f"{finding['id']}: {finding['sentence']}"))
        return DONE

    def _verify(self, place: str) -> int:
        where = self._where(place)
        one, lines = reading.verified(where, " ".join(self.subject), self.store, self.now, self.limit)
        answer = overall(lines)
        if self.options["as_json"]:
            told = {"answer": answer.value, "lines": [line.as_json() for line in lines]}
            self.stdout.write(json.dumps({**(one.as_json() if one else {}), "verify": told}))
        else:
            for line in lines:
                self.stdout.write(plain(f"{line.answer.value:8}{line.id:10}{line.evidence}"))
        return EXIT[answer]

    def _new(self, place: str) -> int:
        where, wish = self._where(place), self._wish()
        told = acting.prefilled(where, self.store, work_source(), self.now)
        for problem in told.problems:
            self.stderr.write(plain(problem))
        if self.options["dry_run"]:
            text, warnings = preview(wish=wish, prefill=told, now=self.now)
            self.stdout.write(plain(text))
        else:
            done = acting.written(where, wish, told, self.store, self.now, self._actor())
            warnings = done.warnings
            self._tell_written(where, done.key, done.prompt, [*done.paths, *done.indexes])
        for warning in warnings:
            self.stderr.write(plain(f"{warning.id}: {warning.sentence}"))
        return DONE

    def _tell_written(self, where: Where, key: str, prompt: str, paths: list[str]) -> None:
        if self.options["as_json"]:
            self._tell(reading.shown(where, key, self.store, self.now, self.limit)[0])
            return
        for path in paths:
            self.stdout.write(plain(f"Wrote {path}."))
        self.stdout.write(f"\n{plain(prompt)}")

    def _wish(self) -> Wish:
        told = self.options
        pending = [Box(text, done=False) for text in told["pending"]] + [Box(text, done=True) for text in told["done"]]
        return Wish(
            focus=told["focus"] or "",
            next_actions=tuple(told["next"]),
            agent=told["agent"] or "",
            author=told["author"] or "",
            changes=tuple(told["changed"]),
            checks=tuple(checks_of(told["validated"])),
            pending=tuple(pending),
            decisions=tuple(decisions_of(told["decision"])),
        )

    def _pickup(self, place: str) -> int:
        key, where = self._key(), self._where(place)
        agent = self.options["agent"]
        who = agent or self.options["author"] or getpass.getuser()
        done = acting.picked_up(where, key, who, "agent" if agent else "person", self.store, self.now)
        if self.options["as_json"]:
            self._tell(reading.shown(where, done.pickup.handover.key, self.store, self.now, self.limit)[0])
            self.stderr.write(plain(done.sentence))
        else:
            self.stdout.write(plain(done.sentence))
        return UNKNOWN if done.before is not None and done.before.who != done.pickup.who else DONE

    def _archive(self, place: str) -> int:
        dry = bool(self.options["dry_run"])
        where = self._where(place)
        outcomes = acting.archived(where, self.subject, self.store, self.now, self._actor(), dry_run=dry)
        self._tell_outcomes(where, outcomes, "would be archived" if dry else "archived")
        wanted = bool(self.subject) and not all(one.archive for one in outcomes)
        return REFUSED if wanted or any(one.error for one in outcomes) else DONE

    def _restore(self, place: str) -> int:
        where = self._where(place)
        done = acting.restored(where, self._key(), self.store, self.now, self._actor())
        self._tell_outcomes(where, [done], "restored")
        return REFUSED if done.error else DONE

    def _tell_outcomes(self, where: Where, outcomes: list[Outcome], deed: str) -> None:
        """A line for each; as JSON the documents that were moved, or would be, as they are now."""
        out = self.stderr if self.options["as_json"] else self.stdout
        for one in outcomes:
            what = one.error or (deed if one.archive or one.moved else "stays")
            out.write(plain(f"{one.key:28}{what}: {one.reason}"))
            for sentence in one.links:
                out.write(plain(f"{'':28}{sentence}"))
        if self.options["as_json"]:
            moved = {one.key for one in outcomes if one.archive or one.moved}
            for entry in reading.listed(where, self.store, self.now, self.limit):
                if entry.key in moved:
                    self._tell(entry)

    def _tell(self, one: Entry) -> None:
        self.stdout.write(json.dumps(one.as_json()) if self.options["as_json"] else one.sentence)

    def _actor(self) -> str:
        return self.options["agent"] or f"{getpass.getuser()} (command line)"
