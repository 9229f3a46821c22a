"""Which document store and which source of git's facts are in force."""

from django.conf import settings
from django.utils.module_loading import import_string

from apps.handovers.ports import DocumentStore, WorkSource


def document_store() -> DocumentStore:
    made: DocumentStore = import_string(settings.DOCUMENT_STORE)()
    return made


def work_source() -> WorkSource:
    made: WorkSource = import_string(settings.WORK_SOURCE)()
    return made
