"""Which checkpoint store is in force."""

from django.conf import settings
from django.utils.module_loading import import_string

from apps.checkpoints.ports import CheckpointStore


def checkpoint_store() -> CheckpointStore:
    made: CheckpointStore = import_string(settings.CHECKPOINT_STORE)()
    return made
