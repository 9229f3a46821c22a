"""What every page's frame shows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.board.waiting import waiting_total
from apps.core.clock import utcnow
from apps.core.permissions import Permission, is_allowed, permits, role_of
from apps.flags.selectors import flag_counts
from apps.sweeps.selectors import unsynced_count


def shell(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    known = user is not None and user.is_authenticated
    role = role_of(user) if user else None
    return {
        "role": role,
        "can_sync": user is not None and is_allowed(user, Permission.SYNC_NOW),
        "can_answer": permits(role, Permission.ANSWER_QUESTIONS),
        "can_manage_alerts": permits(role, Permission.MANAGE_ALERTS),
        "sample": settings.SAMPLE,
        # Asked for only where the frame is drawn: a fragment does not pay for them.
        "unsynced": SimpleLazyObject(lambda: unsynced_count() if known else 0),
        "waiting": SimpleLazyObject(
            lambda: waiting_total(user.get_username(), role, utcnow()) if user and known else 0
        ),
        "flag_counts": SimpleLazyObject(lambda: flag_counts(utcnow()) if known else {}),
    }
