"""`manage.py verify_checkpoint PATH… [--json]`: whether checkpoints are sound, without unpickling them."""

import json
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.checkpoints.proof.allowed import SAFE_GLOBALS
from apps.checkpoints.proof.deep import Loader, torch_python
from apps.checkpoints.proof.look import Proof, find, prove, with_newest
from apps.checkpoints.proof.outcome import NotSound, Sound
from apps.core.errors import Permanent

ALL_PASSED, SOMETHING_FAILED, SOMETHING_UNKNOWN = 0, 1, 2


class Command(BaseCommand):
    help = """Tell whether checkpoints are sound. Needs no database and no torch, and never unpickles.

A PATH is a file, a checkpoint's folder, or a folder that is searched for checkpoints. Of those of one run the newest
is named, and the newest that is good. Exit status: 0 all passed, 1 something failed or is unsafe, 2 something is
unknown, is not there, or there was nothing to look at."""
    requires_system_checks: list[str] = []

    def create_parser(self, *args: Any, **options: Any) -> Any:
        return super().create_parser(*args, formatter_class=RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON line for each checkpoint")
        parser.add_argument("--numbers", action="store_true", help="fail weights that are NaN or infinite as well")
        parser.add_argument("--deep", action="store_true", help="load what passed with torch, weights only, in a child")
        parser.add_argument("--python", default="", help="the Python that has torch, for --deep; otherwise this one")
        parser.add_argument("--allow", action="append", default=[], metavar="NAME", help="a further safe global")
        parser.add_argument("--root", action="append", default=[], metavar="DIR", help="links may lead into DIR too")

    def handle(self, *args: Any, **options: Any) -> None:
        self.problems = 0
        load = self._loader(options)
        roots = [Path(one) for one in options["root"]]
        allowed = SAFE_GLOBALS | set(options["allow"])
        proofs = []
        for path in self._checkpoints(options["paths"]):
            proof = prove(path, roots=roots, allowed=allowed, numbers=options["numbers"])
            proofs.append(load(proof) if load and proof.sound is Sound.PASS else proof)
        marked = with_newest(proofs)
        for one in marked:
            self.stdout.write(json.dumps(_json(one)) if options["as_json"] else _row(one))
        if not marked:
            self._tell("There is no checkpoint at or below what was named.")
        sys.exit(self._status(marked))

    def _loader(self, options: dict[str, Any]) -> Loader | None:
        if not options["deep"]:
            return None
        try:
            return Loader(torch_python(options["python"]))
        except Permanent as error:
            raise CommandError(str(error), returncode=SOMETHING_UNKNOWN) from error

    def _checkpoints(self, paths: list[str]) -> Iterator[Path]:
        seen: set[Path] = set()
        for name in paths:
            if not os.path.lexists(name):
                self._tell(f"{name} is not there.")
                continue
            try:
                for path in find(Path(name)):
                    if path.absolute() not in seen:
                        seen.add(path.absolute())
                        yield path
            except NotSound as error:
                self._tell(f"{error}.")

    def _tell(self, sentence: str) -> None:
        self.problems += 1
        self.stderr.write(sentence)

    def _status(self, proofs: list[Proof]) -> int:
        sounds = {one.sound for one in proofs}
        if sounds & {Sound.FAIL, Sound.UNSAFE}:
            return SOMETHING_FAILED
        return SOMETHING_UNKNOWN if self.problems or Sound.UNKNOWN in sounds else ALL_PASSED


def _json(one: Proof) -> dict[str, Any]:
    return {
        "path": str(one.path),
        "kind": one.kind,
        "step": one.step,
        "epoch": one.epoch,
        "sound": one.sound.value,
        "reason": one.reason,
        "bytes": one.bytes,
        "seconds": round(one.seconds, 4),
        "newest": one.newest,
        "newest_good": one.newest_good,
    }


def _row(one: Proof) -> str:
    marks = ", ".join(word for word, is_so in (("newest", one.newest), ("newest good", one.newest_good)) if is_so)
    step = "" if one.step is None else f"  step {one.step}"
    return f"{one.sound.value:8}{one.path}{step}{f'  ({marks})' if marks else ''}\n        {one.reason}"
