"""The OOM ladder of one run, from its config, and from the steps that were taken before."""

import json
from typing import Any

from apps.memory.ladder import Ladder, ladder
from apps.resume.changes import DROP, RUNG
from apps.resume.models import ResumeRequest
from apps.sweeps.models import Run


def ladder_of(run: Run, gpus: int) -> Ladder:
    """Return the ladder of a run on ``gpus`` GPUs. What earlier resumes changed counts as its config by now."""
    tried, config = set(), dict(run.config)
    for choices in (
        ResumeRequest.objects.filter(run=run).exclude(job_id="").order_by("pk").values_list("choices", flat=True)
    ):
        if DROP in choices:
            config = dict(run.config)
        for name, value in sorted(choices.items()):
            if name.startswith(RUNG):
                tried.add(name.removeprefix(RUNG))
                config = _with(config, value)
    return ladder(config, gpus, tried)


def _with(config: dict[str, Any], recorded: str) -> dict[str, Any]:
    try:
        told = json.loads(recorded)
    except ValueError:
        return config
    return _merged(config, told) if isinstance(told, dict) else config


def _merged(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Put dotted keys where they stand in a nested config."""
    found = dict(config)
    for key, value in changes.items():
        head, _, rest = key.partition(".")
        inner = found.get(head)
        found[head if rest and isinstance(inner, dict) and key not in found else key] = (
            _merged(inner, {rest: value}) if rest and isinstance(inner, dict) and key not in found else value
        )
    return found
