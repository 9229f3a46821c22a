"""The roles and the first admin."""

import secrets

from django.contrib.auth.models import Group, User
from django.db import transaction

from apps.audit.services import record
from apps.core.permissions import Role

ADMIN = "admin"


@transaction.atomic
def ensure_accounts() -> str:
    """Make sure that the roles and one admin exist; return the new admin's password, empty if there was one."""
    for role in Role:
        Group.objects.get_or_create(name=role.value)
    if User.objects.filter(is_superuser=True).exists():
        return ""
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser(ADMIN, password=password)
    record(type="user.created", actor="first start", subject=ADMIN, role=Role.ADMIN.value)
    return password


@transaction.atomic
def set_role(*, name: str, role: Role) -> str:
    """Give a user exactly one role and return the password if the user was made for it, else an empty string."""
    user, created = User.objects.get_or_create(username=name)
    password = secrets.token_urlsafe(12) if created else ""
    if created:
        user.set_password(password)
        user.save()
    group, _ = Group.objects.get_or_create(name=role.value)
    user.groups.set([group])
    record(type="user.created" if created else "user.role", actor="command line", subject=name, role=role.value)
    return password
