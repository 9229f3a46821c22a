"""What exactly is submitted to continue a run: shown before, kept, and submitted to the letter. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from apps.resume.changes import Applied, as_text
from apps.resume.domain import CheckpointFact, Refused
from apps.slurm.domain import comment_for_run
from apps.slurm.ports import Submission
from apps.workspaces.recipes import MissingValue, RecipeConfig, filled

# Sweepboard's own variables, and those by which W&B's client would do something else than continue this run.
WITHOUT = (
    "WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_SERVICE", "WANDB_MODE", "WANDB_DIR", "WANDB_CACHE_DIR",
    "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR", "WANDB_SILENT", "WANDB_NAME", "WANDB_RUN_GROUP",
    "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE", "SWEEPBOARD_CONFIG", "SWEEPBOARD_HOME",
    "SWEEPBOARD_HOSTS", "SWEEPBOARD_SAMPLE", "HOST", "PORT",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """Which run is continued, from where, and by which request."""

    entity: str
    project: str
    run_id: str
    sweep_id: str
    config_path: str
    checkpoint: CheckpointFact
    key: str


@dataclass(frozen=True, slots=True)
class Plan:
    """``how`` is requeue or submit. A requeue names its job and the submit time of its last attempt.

    ``submission`` is what is submitted; of a requeue it is what is submitted where Slurm no longer knows the job, and
    None where there is no script for that.
    """

    how: str
    cluster: str
    submission: Submission | None
    job_id: str = ""
    job_submit_at: str = ""
    changes: tuple[str, ...] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        made = self.submission
        return {
            "how": self.how,
            "cluster": self.cluster,
            "job_id": self.job_id,
            "job_submit_at": self.job_submit_at,
            "changes": list(self.changes),
            "submission": None if made is None else {
                "script": made.script,
                "args": list(made.args),
                "name": made.name,
                "work_dir": made.work_dir,
                "environment": dict(made.environment),
                "without": list(made.without),
                "comment": made.comment,
                "options": dict(made.options),
            },
        }  # fmt: skip

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Plan":
        made = told["submission"]
        return cls(
            told["how"],
            told["cluster"],
            None if made is None else Submission(**made),
            told["job_id"],
            told["job_submit_at"],
            tuple(told["changes"]),
        )


def submission_for(recipe: RecipeConfig, root: str, target: Target, changes: Applied) -> Submission:
    """Return the submission that continues ``target`` by the workspace's recipe; ``Refused`` where a value is missing.

    ``root`` is the workspace's resolved root. What the changes say wins over the recipe.
    """
    values = _values(target)
    try:
        environment = {name: filled(value, values) for name, value in recipe.environment.items()}
        options = {name: filled(value, values) for name, value in recipe.options.items()}
        args = [filled(value, values) for value in recipe.args]
    except MissingValue as error:
        raise Refused(f"It cannot be submitted: {error}.") from error
    own = {
        "WANDB_ENTITY": target.entity,
        "WANDB_PROJECT": target.project,
        "WANDB_RUN_ID": target.run_id,
        "WANDB_RESUME": "must",
        "SWEEPBOARD_CHECKPOINT": target.checkpoint.path,
    }
    return Submission(
        script=recipe.script,
        args=[*args, *_told(recipe, changes)],
        # By name too: accounting keeps a job's name always, and its comment only where it is told to.
        name=f"resume-{target.run_id[:40]}-{target.key}",
        work_dir=root,
        environment={**environment, **changes.environment, **own},
        without=list(WITHOUT),
        comment=comment_for_run(target.run_id, target.key),
        options={**options, **changes.options},
    )


def _told(recipe: RecipeConfig, changes: Applied) -> list[str]:
    """The changed keys as arguments, in the words of the workspace's script."""
    if changes.config and not recipe.change:
        raise Refused("The recipe does not say how a changed key is told to the script: set `change` in it.")
    told = [(key, as_text(new)) for key, new in changes.config.items()]
    return [filled(text, {"key": key, "value": new}) for key, new in told for text in recipe.change]


def _values(target: Target) -> dict[str, str]:
    step = target.checkpoint.step
    return {
        "run_id": target.run_id,
        "checkpoint": target.checkpoint.path,
        "checkpoint_dir": str(PurePath(target.checkpoint.path).parent),
        "step": "" if step is None else str(step),
        "sweep_id": target.sweep_id,
        "config": target.config_path,
    }
