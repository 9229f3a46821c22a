"""Who does something: an agent, somebody at a shell, or a person who is logged in on a page.

The three are types of their own. What only a person may do takes a ``Person``, which nothing but a logged-in browser
session makes: an agent cannot be passed where one is asked for, and is refused where it is passed all the same.
"""

from dataclasses import dataclass
from typing import ClassVar

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.http import HttpRequest

from apps.approvals.domain.errors import NotAPerson
from apps.core.permissions import Permission, check_allowed


@dataclass(frozen=True, slots=True)
class Agent:
    """A coding agent, by the name that it goes by in the audit trail."""

    name: str
    kind: ClassVar[str] = "agent"


@dataclass(frozen=True, slots=True)
class AtShell:
    """Somebody who runs a command; nobody has proved who."""

    name: str
    kind: ClassVar[str] = "shell"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is logged in; made by ``person_at`` only."""

    user: User
    kind: ClassVar[str] = "person"

    @property
    def name(self) -> str:
        return self.user.get_username()


Actor = Agent | AtShell | Person


def person_at(request: HttpRequest) -> Person:
    """Return who is logged in at this page; ``NotAPerson`` for anybody who came by another door than a session."""
    user = request.user
    if not isinstance(user, User) or not user.is_authenticated or SESSION_KEY not in request.session:
        raise NotAPerson("Only somebody who is logged in, on the page, may do this.")
    return Person(user)


def check_person(actor: object, permission: Permission, what: str) -> Person:
    """Return ``actor`` where it is a logged-in person who may do this.

    ``NotAPerson`` for an agent or a command, ``PermissionDenied`` for a person who may not.
    """
    if not isinstance(actor, Person):
        raise NotAPerson(f"Only a logged-in person can {what}, on the page; an agent or a command never can.")
    check_allowed(actor.user, permission)
    return actor
