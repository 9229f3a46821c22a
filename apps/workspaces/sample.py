"""The commented sample of `sweepboard.toml`, made from the schema itself so that it is always complete."""

import json
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from apps.workspaces.config import (
    AlertsConfig,
    ApiConfig,
    ClusterConfig,
    HandoversConfig,
    LogsConfig,
    RetentionConfig,
    SlurmConfig,
    SweepPolicyConfig,
    WandbConfig,
    WorkspaceConfig,
    WorktreesConfig,
)
from apps.workspaces.domain import AutoResumePolicy, Policy
from apps.workspaces.recipes import AgentRecipeConfig, RecipeConfig
from apps.workspaces.review import ReviewConfig, ReviewMinutes

EXAMPLES: dict[str, Any] = {
    "wandb.projects": ["entity/project"],
    "slurm.cluster.name": "north",
    "slurm.cluster.conf": "/etc/slurm/north.conf",
    "workspace.name": "glue",
    "workspace.root": "/shared/glue",
    "workspace.projects": ["entity/project"],
    "workspace.sweep_policy.sweep": "abc12345",
    "workspace.recipe.script": "experiments/resume.sbatch",
    "workspace.recipe.args": ["--resume-from", "{checkpoint}"],
    "workspace.agent.script": "experiments/agent.sbatch",
    "workspace.agent.args": ["{sweep}"],
}


def sample_config() -> str:
    """Return a TOML text with every key, its default and what it means; it parses as it is."""
    parts = [
        "# Sweepboard's configuration. Name it with SWEEPBOARD_CONFIG. Every value has a default.",
        _section("[wandb]", "wandb", WandbConfig),
        _section("[slurm]", "slurm", SlurmConfig, leave_out=("cluster",)),
        f"# {SlurmConfig.model_fields['cluster'].description}:\n"
        + _commented(_section("[[slurm.cluster]]", "slurm.cluster", ClusterConfig)),
        _section("[logs]", "logs", LogsConfig),
        _section("[alerts]", "alerts", AlertsConfig),
        _section("[handovers]", "handovers", HandoversConfig),
        _section("[api]", "api", ApiConfig),
        _section("[worktrees]", "worktrees", WorktreesConfig),
        _section("[review]", "review", ReviewConfig),
        _section("[review.minutes]", "review.minutes", ReviewMinutes),
        _section("[retention]", "retention", RetentionConfig),
        "# One [[workspace]] for each checkout on the shared filesystem.",
        _section("[[workspace]]", "workspace", WorkspaceConfig, leave_out=("sweep_policy",)),
        _section("[workspace.policy]", "workspace.policy", Policy),
        f"# {Policy.model_fields['auto_resume'].description}\n"
        + _section("[workspace.policy.auto_resume]", "workspace.policy.auto_resume", AutoResumePolicy),
        f"# {WorkspaceConfig.model_fields['sweep_policy'].description}:\n"
        + _commented(_section("[[workspace.sweep_policy]]", "workspace.sweep_policy", SweepPolicyConfig)),
        _section("[workspace.recipe]", "workspace.recipe", RecipeConfig, leave_out=("environment", "options")),
        *(_table("recipe", RecipeConfig, name) for name in ("environment", "options")),
        _section("[workspace.agent]", "workspace.agent", AgentRecipeConfig, leave_out=("environment", "options")),
        *(_table("agent", AgentRecipeConfig, name) for name in ("environment", "options")),
    ]
    return "\n\n".join(parts) + "\n"


def _commented(text: str) -> str:
    """What most people do not need: there to be read, and in force when the marks are taken away."""
    return "\n".join(line if line.startswith("#") else f"#{line}" for line in text.splitlines())


def _section(header: str, prefix: str, model: type[BaseModel], leave_out: tuple[str, ...] = ()) -> str:
    lines = [header]
    for name, field in model.model_fields.items():
        if name in leave_out:
            continue
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            continue
        lines += [
            f"# {field.description}",
            f"{name} = {_toml(EXAMPLES.get(f'{prefix}.{name}', _default(field)))}",
        ]
    return "\n".join(lines)


def _table(section: str, model: type[BaseModel], name: str) -> str:
    """A table that is empty until somebody fills it."""
    return f"# {model.model_fields[name].description}\n[workspace.{section}.{name}]"


def _default(field: FieldInfo) -> Any:
    return "" if field.is_required() else field.get_default(call_default_factory=True)


def _toml(value: Any) -> str:
    """TOML's strings, numbers, booleans and lists of strings are spelt as JSON spells them."""
    if isinstance(value, list) and len(value) > 2:
        return "[\n" + "".join(f"  {json.dumps(item)},\n" for item in value) + "]"
    return json.dumps(value)
