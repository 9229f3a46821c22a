from django.apps import AppConfig


class FlagsConfig(AppConfig):
    name = "apps.flags"

    def ready(self) -> None:
        from apps.flags import rules  # noqa: F401 - registers every rule
