from django.apps import AppConfig


class WorktreesConfig(AppConfig):
    name = "apps.worktrees"
