from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    name = "apps.approvals"

    def ready(self) -> None:
        """Let the archive of handovers know which of them an open plan uses."""
        from apps.approvals import holding  # noqa: F401 - it registers itself, and needs the models
