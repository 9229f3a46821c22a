"""`manage.py init_config [PATH]`: write a commented sample of `sweepboard.toml`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.workspaces.sample import sample_config


class Command(BaseCommand):
    help = "Write a commented sweepboard.toml with every key and its default."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", nargs="?", default="sweepboard.toml")
        parser.add_argument(
            "--stdout", dest="to_stdout", action="store_true", help="print it instead of writing a file"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["to_stdout"]:
            self.stdout.write(sample_config())
            return
        path = Path(options["path"])
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(sample_config())
        except FileExistsError as error:
            raise CommandError(f"{path} is there already and was left as it is.") from error
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"Wrote {path}. Set SWEEPBOARD_CONFIG={path.resolve()} and edit it.")
