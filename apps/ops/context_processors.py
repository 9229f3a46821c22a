"""What every page's frame shows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from apps.core.permissions import Permission, is_allowed, role_of
from apps.sweeps.selectors import unsynced_count


def shell(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    return {
        "role": role_of(user) if user else None,
        "can_sync": user is not None and is_allowed(user, Permission.SYNC_NOW),
        "sample": settings.SAMPLE,
        "unsynced": unsynced_count() if user is not None and user.is_authenticated else 0,
    }
