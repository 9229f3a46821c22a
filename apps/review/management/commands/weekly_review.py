"""`manage.py weekly_review [--week 2026-W47]`: the review of a week, for the notes and for programs."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.clock import utcnow
from apps.core.commands import as_text, database_told
from apps.review.domain.markdown import as_json, markdown
from apps.review.domain.weeks import NoSuchWeek, Week
from apps.review.reading.meeting import review_of
from apps.review.reading.scopes import running_week, scopes, week_named

UNKNOWN = 3


class Command(BaseCommand):
    help = (
        "Print the review of a week: without --week of the one that runs. Exit status 3: the database cannot be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--week", default="", type=as_text, metavar="YEAR-WEEK", help="such as 2026-W47")
        parser.add_argument("--format", choices=["md", "json"], default="md", help="Markdown (the default) or JSON")
        parser.add_argument("--workspace", default="", type=as_text, metavar="NAME", help="one workspace; else all")

    def handle(self, *args: Any, **options: Any) -> None:
        with database_told(UNKNOWN):
            workspace = options["workspace"]
            if workspace not in scopes():
                known = ", ".join(one for one in scopes() if one) or "none"
                raise CommandError(f"No workspace '{workspace}' is known. There are: {known}.")
            review = review_of(_week(options["week"], workspace), workspace=workspace, now=utcnow())
        told = markdown(review) if options["format"] == "md" else json.dumps(as_json(review), indent=1)
        self.stdout.write(told.rstrip("\n"))


def _week(text: str, workspace: str) -> Week:
    try:
        return week_named(text, workspace) if text else running_week(workspace, utcnow())
    except NoSuchWeek as error:
        raise CommandError(str(error)) from error
