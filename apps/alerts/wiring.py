"""Which sender is in force."""

from django.conf import settings
from django.utils.module_loading import import_string

from apps.alerts.ports import AlertSender


def make_sender() -> AlertSender:
    made: AlertSender = import_string(settings.ALERT_SENDER)()
    return made
