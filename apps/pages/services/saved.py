"""Views of a sweep's table that people keep under a name, for themselves or for everybody."""

from datetime import datetime

from apps.core.errors import Permanent
from apps.pages.domain.tables import LONGEST_QUERY, TableView
from apps.pages.models import SavedView
from apps.sweeps.models import Sweep


class Refused(Permanent):
    """The view cannot be kept; the sentence says why."""


def save_view(*, sweep: Sweep, name: str, view: TableView, owner: str, shared: bool, now: datetime) -> SavedView:
    """Keep a view under a name; one of the same name of the same person is replaced."""
    named = " ".join(name.replace("\x00", "").split())[:100]
    if not named:
        raise Refused("Give the view a name.")
    query = view.at_page(1).query()
    if len(query) > LONGEST_QUERY:
        raise Refused("This view is too long to be kept: take some of its columns out.")
    values = {"query": query, "shared": shared, "created_at": now}
    return SavedView.objects.update_or_create(sweep=sweep, owner=owner, name=named, defaults=values)[0]


def forget_view(*, sweep: Sweep, pk: int, owner: str) -> str:
    """Forget one of one's own views; return its name."""
    kept = SavedView.objects.filter(sweep=sweep, pk=pk, owner=owner).first()
    if kept is None:
        raise Refused("This view is not kept any more, or it is somebody else's.")
    kept.delete()
    return kept.name
