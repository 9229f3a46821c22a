"""Which log store is in force."""

from django.conf import settings
from django.utils.module_loading import import_string

from apps.joblogs.ports import LogStore


def log_store() -> LogStore:
    made: LogStore = import_string(settings.LOG_STORE)()
    return made
