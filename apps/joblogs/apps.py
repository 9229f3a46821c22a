from django.apps import AppConfig


class JoblogsConfig(AppConfig):
    name = "apps.joblogs"
