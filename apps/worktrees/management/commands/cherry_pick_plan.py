"""`manage.py cherry_pick_plan SOURCE TARGET`: which commits to pick, in which order and why. It changes no branch."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from apps.core.commands import as_text
from apps.core.errors import SweepboardError
from apps.worktrees.services.planning import plan_picks
from apps.worktrees.telling import plan_as_json, plan_as_lines
from apps.worktrees.wiring import pick_source


class Command(BaseCommand):
    help = (
        "Plan the cherry-picks from SOURCE onto TARGET: the commits in order with what each needs, the conflicts that "
        "a scratch worktree shows, and how a commit that mixes concerns can be parted. Nothing is picked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", help="the branch whose commits are wanted")
        parser.add_argument("target", help="the branch that shall get them; it is not touched")
        parser.add_argument("--repo", default=".", help="the checkout; default: the folder one is in")
        parser.add_argument("--concern", default="", help="only commits about this, with all that they need")
        parser.add_argument("--json", action="store_true", dest="as_json")

    def handle(self, *args: Any, **options: Any) -> None:
        root = Path(options["repo"]).expanduser().resolve()
        names = {name: as_text(options[name]) for name in ("source", "target", "concern")}
        try:
            plan = plan_picks(root=root, git=pick_source(), **names)
        except SweepboardError as error:
            raise CommandError(str(error), returncode=1) from error
        if options["as_json"]:
            self.stdout.write(json.dumps(plan_as_json(plan)))
            return
        for line in plan_as_lines(plan):
            self.stdout.write(as_text(line))
