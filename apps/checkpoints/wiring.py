"""Which checkpoint store and which prover are in force."""

from django.conf import settings
from django.utils.module_loading import import_string

from apps.checkpoints.ports import CheckpointStore, Prover


def checkpoint_store() -> CheckpointStore:
    made: CheckpointStore = import_string(settings.CHECKPOINT_STORE)()
    return made


def prover() -> Prover:
    made: Prover = import_string(settings.CHECKPOINT_PROVER)()
    return made
