"""Which source of sweeps is in force."""

from django.conf import settings
from django.utils.module_loading import import_string

from apps.core.errors import Permanent
from apps.sweeps.control import SweepControl
from apps.sweeps.ports import RunCloser, RunFolders, SweepSource, Uploader
from apps.workspaces.selectors import current_config


def make_source() -> SweepSource:
    """Return a fresh source for one pass. ``Permanent`` says what to set where the key is missing."""
    source: SweepSource = import_string(settings.SWEEP_SOURCES["wandb_api"])(
        **_server(), timeout=current_config().wandb.timeout_seconds
    )
    return source


def make_folders() -> RunFolders:
    """Return a fresh reader of run folders for one pass."""
    made: RunFolders = import_string(settings.RUN_FOLDERS)()
    return made


def make_uploader() -> Uploader:
    """Return what uploads run folders. ``Permanent`` says what to set where the key is missing."""
    made: Uploader = import_string(settings.UPLOADER)(**_server())
    return made


def make_closer() -> RunCloser:
    """Return what closes runs. ``Permanent`` says what to set where the key is missing."""
    made: RunCloser = import_string(settings.RUN_CLOSER)(**_server())
    return made


def make_control() -> SweepControl:
    """Return what steers sweeps. ``Permanent`` says what to set where the key is missing."""
    made: SweepControl = import_string(settings.SWEEP_CONTROL)(**_server())
    return made


def _server() -> dict[str, str]:
    """Return which W&B server is asked, and by which key."""
    config = current_config().wandb
    api_key = settings.WANDB_API_KEY or config.api_key
    if not api_key:
        raise Permanent("No W&B key is set. Set WANDB_API_KEY (and WANDB_BASE_URL for a server of your own).")
    return {"base_url": settings.WANDB_BASE_URL or config.base_url, "api_key": api_key}
