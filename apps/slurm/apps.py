from django.apps import AppConfig


class SlurmConfig(AppConfig):
    name = "apps.slurm"
