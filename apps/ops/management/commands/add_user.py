"""`manage.py add_user NAME [--role viewer|operator|admin]`: make a user, or give one another role."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from apps.core.permissions import Role
from apps.ops.accounts import set_role


class Command(BaseCommand):
    help = "Make a user with a role and print the password once; an existing user gets the role and keeps the password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--role", choices=[role.value for role in Role], default=Role.VIEWER.value)

    def handle(self, *args: Any, **options: Any) -> None:
        name, role = options["name"], Role(options["role"])
        password = set_role(name=name, role=role)
        if password:
            self.stdout.write(f"Made '{name}' ({role.value}) with the password  {password}  (it is shown this once).")
        else:
            self.stdout.write(f"'{name}' is now {role.value}; the password stays.")
