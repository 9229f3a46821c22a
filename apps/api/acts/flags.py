"""Reading red flags."""

from datetime import datetime

from apps.api.acts.paging import slice_of
from apps.api.acts.registry import Told, act
from apps.api.callers import Caller
from apps.api.domain.problems import not_found
from apps.api.domain.tokens import Scope
from apps.api.schemas.training import FlagsWish, FlagWish
from apps.core.clock import utcnow
from apps.core.units import with_ages
from apps.flags.causes import Narrowed, OpenFlag
from apps.flags.models import SEVERITY_ORDER, Flag
from apps.flags.selectors import open_flag_of, open_flags

SECOND = 1_000_000  # microseconds


@act(Scope.READ)
def list_flags(caller: Caller, wish: FlagsWish) -> Told:
    """List the open red flags, the worst and then the newest first, as the inbox filters them."""
    now, view = utcnow(), Narrowed.from_query(wish.model_dump(exclude={"limit", "cursor"}))
    wanted = [flag for flag in open_flags(dismissed=view.show == "cleared") if view.wants(flag, now)]
    page, after = slice_of(wanted, wish, "flags", _place, int, int, int)
    return {"flags": [flag_told(flag, now) for flag in page], "next": after}


def _place(flag: OpenFlag) -> tuple[int, int, int]:
    return SEVERITY_ORDER.get(flag.severity, 9), -int(flag.opened_at.timestamp() * SECOND), -flag.pk


@act(Scope.READ)
def show_flag(caller: Caller, wish: FlagWish) -> Told:
    """Show one red flag, open or over."""
    rows = Flag.objects.select_related("sweep__workspace", "run__status__job")
    found = rows.defer("run__config", "run__summary", "sweep__config").filter(pk=wish.flag).first()
    if found is None:
        raise not_found(f"There is no flag {wish.flag}.")
    told = flag_told(open_flag_of(found), utcnow())
    return {**told, "standing": "over" if found.cleared_at else told["standing"]}


def flag_told(flag: OpenFlag, now: datetime) -> Told:
    same = ("rule", "severity", "action", "uncertain", "opened_at", "workspace", "url", "crash_class", "node")
    return {
        **{name: getattr(flag, name) for name in same},
        "flag": flag.pk,
        "evidence": with_ages(flag.evidence, now),
        "standing": flag.standing(now),
        "sweep": flag.sweep_id or None,
        "run": flag.run_id or None,
        "assignee": flag.assignee,
    }
