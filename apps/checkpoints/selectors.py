"""Reading what was proven of checkpoints."""

from apps.checkpoints.models import Verification


def newest_with_parameters(run_pk: int) -> Verification | None:
    """Return the newest sound checkpoint of a run in which the model's parameters were counted."""
    counted = Verification.objects.filter(run=run_pk, sound="pass", parameters__isnull=False)
    return counted.order_by("modified_at").last()
