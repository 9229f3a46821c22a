"""Which source of sweeps is in force."""

from django.conf import settings
from django.utils.module_loading import import_string

from apps.core.errors import Permanent
from apps.sweeps.ports import SweepSource
from apps.workspaces.selectors import current_config


def make_source() -> SweepSource:
    """Return a fresh source for one pass. ``Permanent`` says what to set where the key is missing."""
    config = current_config().wandb
    api_key = settings.WANDB_API_KEY or config.api_key
    if not api_key:
        raise Permanent("No W&B key is set. Set WANDB_API_KEY (and WANDB_BASE_URL for a server of your own).")
    source: SweepSource = import_string(settings.SWEEP_SOURCES["wandb_api"])(
        base_url=settings.WANDB_BASE_URL or config.base_url,
        api_key=api_key,
        timeout=config.timeout_seconds,
    )
    return source
