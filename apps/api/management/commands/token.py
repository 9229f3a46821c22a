"""`manage.py token new|list|revoke`: tokens of the agents' door, for whoever runs the server."""

import getpass
import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from apps.api.domain.tokens import scopes_from
from apps.api.models import Token
from apps.api.selectors import token_named
from apps.api.services.tokens import make_token, revoke_token
from apps.core.clock import utcnow
from apps.core.commands import as_text, database_told
from apps.core.errors import Permanent, SweepboardError
from apps.workspaces.selectors import current_config

DONE, REFUSED, UNKNOWN = 0, 1, 3


class Command(BaseCommand):
    help = (
        "Tokens of the JSON API and MCP: new NAME --owner USER, list, revoke NAME. A token may do no more than its "
        "owner. The secret is the only line on the standard output, and is shown this once. Exit status: 0 done, "
        "1 refused, 3 the database cannot be read."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("act", choices=["new", "list", "revoke"])
        parser.add_argument("name", nargs="?", default="", type=as_text)
        parser.add_argument("--owner", default="", type=as_text, help="new: whose it is, a user of Sweepboard")
        parser.add_argument("--person", action="store_true", help="new: the owner's own, not an agent's")
        parser.add_argument("--scope", action="append", default=[], help="new: read, handover, plan, resume (repeat)")
        parser.add_argument("--days", type=int, default=None, help="new: how long it lives; [api] token_days")
        parser.add_argument("--json", action="store_true", dest="as_json", help="list: a JSON line for each")

    def handle(self, *args: Any, **options: Any) -> None:
        self.options, self.by = options, f"{getpass.getuser()} (command line)"
        try:
            with database_told(UNKNOWN):
                getattr(self, f"_{options['act']}")()
        except SweepboardError as error:
            raise CommandError(str(error), returncode=REFUSED) from error
        sys.exit(DONE)

    def _new(self) -> None:
        told = self.options
        owner = User.objects.filter(username=told["owner"]).first()
        if owner is None:
            raise Permanent(f"--owner names nobody: there is no user '{told['owner']}'.")
        days = current_config().api.token_days if told["days"] is None else told["days"]
        made, secret = make_token(
            name=told["name"], owner=owner, scopes=scopes_from(told["scope"] or ["read"]), days=days, now=utcnow(),
            by=self.by, kind="person" if told["person"] else "agent",
        )  # fmt: skip
        self.stderr.write(f"Token '{made.name}' of {owner.username} expires on {made.expires_at:%Y-%m-%d}. Shown once:")
        self.stdout.write(secret)

    def _list(self) -> None:
        for one in Token.objects.select_related("owner"):
            self.stdout.write(json.dumps(_as_json(one)) if self.options["as_json"] else _sentence(one))

    def _revoke(self) -> None:
        token = token_named(self.options["name"])
        ended = revoke_token(token=token, now=utcnow(), by=self.by)
        self.stdout.write(f"The token '{token.name}' {'is' if ended else 'was'} revoked.")


def _as_json(one: Token) -> dict[str, Any]:
    times = {name: getattr(one, name) for name in ("created_at", "expires_at", "revoked_at", "last_used_at")}
    told = {"name": one.name, "kind": one.kind, "owner": one.owner.get_username(), "scopes": one.scopes}
    return {**told, **{name: at.isoformat() if at else None for name, at in times.items()}}


def _sentence(one: Token) -> str:
    state = "revoked" if one.revoked_at else "expired" if one.expires_at <= utcnow() else "in force"
    used = f"{one.last_used_at:%Y-%m-%d %H:%M}" if one.last_used_at else "never"
    return f"{one.name:24} {one.kind:7} {one.owner.get_username():16} {','.join(one.scopes):28} {state}, used {used}"
