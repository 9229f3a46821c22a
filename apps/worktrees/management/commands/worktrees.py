"""`manage.py worktrees`: what every worktree is and what is wrong with it; new ones; cleaning merged ones up."""

import getpass
import json
import sys
import uuid
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from apps.core.clock import utcnow
from apps.core.commands import as_text
from apps.core.errors import SweepboardError
from apps.handovers.desk.places import known_workspaces
from apps.handovers.wiring import work_source
from apps.workspaces.models import Workspace
from apps.worktrees.domain.acts import Step
from apps.worktrees.domain.facts import Facts
from apps.worktrees.services.cleaning import clean_up, prepare_clean
from apps.worktrees.services.looking import look_at
from apps.worktrees.services.making import NewWish, new_worktree, prepare_new
from apps.worktrees.telling import as_json, as_lines
from apps.worktrees.wiring import tools

REFUSED = 1


class Command(BaseCommand):
    help = (
        "Show the worktrees of PATH (a checkout or a workspace's name; without it every workspace's, else those of the "
        "folder one is in). `worktrees new BRANCH` makes one, `worktrees clean PATH` cleans a merged one up; both say "
        "first what they do, and with --dry-run do nothing. Exit status 1: refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("words", nargs="*", metavar="[PATH] | new BRANCH | clean PATH")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a line")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        parser.add_argument("--repo", default="", help="new: the checkout or workspace; default: the folder one is in")
        parser.add_argument("--base", default="", help="new: where the branch begins; default: the base branch")
        parser.add_argument("--name", default="", help="new: the folder's name; default: made of the branch")
        parser.add_argument("--link", action="append", help="new: link only this; may be given again")
        parser.add_argument("--no-links", action="store_true", help="new: link nothing")
        parser.add_argument("--focus", default="", help="new: one line on what it is for; its CLAUDE.md carries it")
        parser.add_argument("--next", default="", dest="next_action", help="new: what is done first there")

    def handle(self, *args: Any, **options: Any) -> None:
        self.options = options
        words = [as_text(word) for word in options["words"]]
        act, rest = (words[0], words[1:]) if words and words[0] in ("new", "clean") else ("", words)
        if len(rest) > 1 or (act and not rest):
            raise CommandError(
                "Write `worktrees [PATH]`, `worktrees new BRANCH` or `worktrees clean PATH`.", returncode=2
            )
        try:
            if act == "new":
                self._new(rest[0])
            elif act == "clean":
                self._clean(rest[0])
            else:
                self._show(*rest)
        except SweepboardError as error:
            raise CommandError(str(error), returncode=REFUSED) from error

    def _show(self, place: str = "") -> None:
        failed = False
        for root, workspace in self._places(place):
            base = str((workspace.config if workspace else {}).get("base_branch", ""))
            links_into = workspace.links_into if workspace else []
            made = tools()
            try:
                found = look_at(root, made, base=base, links_into=links_into)
                beside = made.files.clones(Path(found[0].path), [Path(one.path) for one in found]) if found else []
            except SweepboardError as error:
                if place:
                    raise
                self.stderr.write(str(error))
                failed = True
                continue
            for facts in [*found, *(Facts(str(one.path), kind="clone", branch=one.branch) for one in beside)]:
                self._tell(facts)
        if failed:
            sys.exit(REFUSED)

    def _tell(self, facts: Facts) -> None:
        for line in [json.dumps(as_json(facts))] if self.options["as_json"] else as_lines(facts):
            self.stdout.write(as_text(line))

    def _places(self, place: str) -> list[tuple[Path, Workspace | None]]:
        """The place that is named, else every workspace, else the folder one is in."""
        workspaces = known_workspaces()
        if not place and workspaces:
            return [(one.path, one) for one in workspaces]
        named = next((one for one in workspaces if one.name == place), None)
        if named is not None:
            return [(named.path, named)]
        path = Path(place or ".").expanduser().resolve()
        if not path.is_dir():
            raise CommandError(f"'{place}' is neither a folder nor a workspace.", returncode=2)
        return [(_checkout_above(path), _workspace_at(path, workspaces))]

    def _new(self, branch: str) -> None:
        told = self.options
        root, workspace = self._places(told["repo"] or ".")[0]
        links = () if told["no_links"] else None if told["link"] is None else tuple(told["link"])
        # Calling the command is a press of its own: what was made and taken away by hand since can be made again.
        focus, first = told["focus"] or branch, told["next_action"]
        wish = NewWish(branch, told["base"], links, told["name"], focus, first, _press())
        made = tools()
        prepared = prepare_new(root=root, wish=wish, tools=made, workspace=workspace)
        self._show_steps(prepared.steps)
        if told["dry_run"]:
            self._say({"path": str(prepared.path), "branch": prepared.branch, "done": False}, "Nothing was done.")
            return
        done = new_worktree(root=root, wish=wish, digest=prepared.digest, tools=made, work=work_source(), now=utcnow(),
                            actor=_actor(), workspace=workspace)  # fmt: skip
        answer = {"path": str(done.path), "branch": done.branch, "done": True, "handover": done.handover.key}
        self._say(answer, f"{done.said}\n\n{done.handover.prompt}")

    def _clean(self, place: str) -> None:
        path = Path(place).expanduser().resolve()
        beside = path if path.is_dir() else Path.cwd()
        root, workspace = _checkout_above(beside), _workspace_at(beside, known_workspaces())
        made, now, press = tools(), utcnow(), _press()
        plan = prepare_clean(root=root, path=path, tools=made, now=now, workspace=workspace, nonce=press)
        for line in plan.goes:
            self.stderr.write(f"goes: {as_text(line)}")
        for line in plan.refusals:
            self.stderr.write(f"refused: {as_text(line)}")
        answer = {"path": str(path), "branch": plan.facts.branch, "done": False, "refusals": list(plan.refusals)}
        if plan.refusals:
            self._say(answer, "It was not cleaned up.")
            sys.exit(REFUSED)
        self._show_steps(plan.steps)
        if self.options["dry_run"]:
            self._say(answer, "Nothing was done.")
            return
        said = clean_up(root=plan.main, path=path, digest=plan.digest, tools=made, now=now, actor=_actor(),
                        workspace=workspace, nonce=press)  # fmt: skip
        self._say({**answer, "done": True}, said)

    def _show_steps(self, steps: tuple[Step, ...]) -> None:
        """On the other stream where JSON is asked for, so that both can be read."""
        for step in steps:
            (self.stderr if self.options["as_json"] else self.stdout).write(as_text(step.shown))

    def _say(self, answer: dict[str, Any], sentence: str) -> None:
        self.stdout.write(json.dumps(answer) if self.options["as_json"] else as_text(sentence))


def _checkout_above(folder: Path) -> Path:
    """The nearest folder from here upwards that is a checkout of git; else the folder itself, of which git says why."""
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)


def _workspace_at(folder: Path, workspaces: list[Workspace]) -> Workspace | None:
    """The workspace whose repository a folder belongs to; None without a database."""
    made = tools()
    try:
        mine = made.git.entries(_checkout_above(folder))[0].path.resolve()
        return next((one for one in workspaces if _main_of(one, made) == mine), None)
    except (SweepboardError, DatabaseError, InterfaceError):
        return None


def _main_of(workspace: Workspace, made: Any) -> Path | None:
    try:
        main: Path = made.git.entries(workspace.path)[0].path.resolve()
    except SweepboardError:
        return None
    return main


def _press() -> str:
    return uuid.uuid4().hex


def _actor() -> str:
    return f"{getpass.getuser()} (command line)"
