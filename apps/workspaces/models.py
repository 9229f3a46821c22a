"""Workspaces, as `sweepboard.toml` describes them."""

from pathlib import Path
from typing import Any

from django.db import models

from apps.workspaces.domain import Policy


class Workspace(models.Model):
    """One checkout on the shared filesystem that trains.

    ``config`` is the workspace's section of the file, defaults filled in. A workspace that is taken
    out of the file is kept, inactive, because sweeps point at it.
    """

    name = models.CharField(max_length=100, unique=True)
    root = models.CharField(max_length=1000)
    config = models.JSONField(default=dict)
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> Path:
        return Path(self.root)

    @property
    def links_into(self) -> list[Path]:
        """The folders outside of the root into which its links may lead."""
        return [Path(one) for one in self.config.get("links_into", [])]

    @property
    def policy(self) -> Policy:
        return Policy.model_validate(self.config.get("policy", {}))

    def policy_for(self, sweep_id: str, sweep_name: str) -> Policy:
        """Return the policy of one sweep: the workspace's, with what is said of this sweep on top."""
        told = dict(self.config.get("policy", {}))
        for one in self.config.get("sweep_policy", []):
            if one["sweep"] in (sweep_id, sweep_name):
                told |= {**one["policy"], "auto_resume": _merged(told, one["policy"])}
        return Policy.model_validate(told)

    @property
    def projects(self) -> list[str]:
        return list(self.config.get("projects", []))

    def patterns(self, kind: str) -> list[str]:
        """Return the patterns of ``kind``: checkpoints, logs or run_config."""
        value: Any = self.config.get(kind, [])
        return [str(pattern) for pattern in value]


def _merged(held: dict[str, Any], on_top: dict[str, Any]) -> dict[str, Any]:
    """The keys of [auto_resume] one by one: a sweep that only switches it on keeps its workspace's limits."""
    return {**held.get("auto_resume", {}), **on_top.get("auto_resume", {})}
