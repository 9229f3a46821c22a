"""`manage.py prepare`: everything that must be done once before web, worker and beat start."""

import sys
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from apps.config.preflight import check_services
from apps.core.errors import SweepboardError
from apps.ops.accounts import ADMIN, ensure_accounts
from apps.workspaces.selectors import current_config


class Command(BaseCommand):
    help = "Check the settings, migrate the database, collect static files and make the first admin."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            check_services()
            current_config()
        except SweepboardError as error:
            raise CommandError(f"Sweepboard cannot start.\n{error}") from error
        password = prepare()
        if password:
            self.stdout.write(f"Log in as '{ADMIN}' with the password  {password}  (it is shown this once).")
        sys.stdout.flush()


def prepare() -> str:
    """Migrate, collect static files, make the roles and the first admin; return a new admin's password."""
    call_command("migrate", verbosity=0, interactive=False)
    call_command("collectstatic", verbosity=0, interactive=False)
    return ensure_accounts()
