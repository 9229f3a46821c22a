"""`manage.py list_rules`: docs/rules.md, from the registry."""

from typing import Any

from django.core.management.base import BaseCommand

import apps.flags.rules  # noqa: F401 - imported for its registrations
from apps.flags.rules.catalogue import page


class Command(BaseCommand):
    help = "Print the page that lists every red flag: its source, its threshold and what it needs."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(page(), ending="")
