from django.apps import AppConfig


class RestartConfig(AppConfig):
    name = "apps.restart"
