"""What exactly is submitted to let one more agent work for a sweep, and the commands that do the same by hand. Pure."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.resume.plan import WITHOUT
from apps.slurm.domain import comment_for_agent
from apps.slurm.ports import Submission
from apps.stopping.domain import Refused
from apps.workspaces.recipes import AgentRecipeConfig, MissingValue, filled

# An agent asks for its runs: none must be named to it.
WITHOUT_RUN = ("WANDB_RUN_ID", "WANDB_RESUME")


@dataclass(frozen=True, slots=True)
class SweepPath:
    """Which sweep the agent works for."""

    entity: str
    project: str
    sweep_id: str

    def __str__(self) -> str:
        return f"{self.entity}/{self.project}/{self.sweep_id}"


def agent_key(key: str, place: int) -> str:
    """Return the key of one wished agent: by it its job is found again, and no second one is made."""
    return f"{key}-{place}"


def agent_submission(recipe: AgentRecipeConfig, root: str, sweep: SweepPath, key: str) -> Submission:
    """Return the submission of one agent; ``Refused`` where the recipe uses a value that nobody knows.

    ``root`` is the workspace's resolved root. Sweep and key stand in the job's comment, and in its name for a Slurm
    whose accounting keeps no comments.
    """
    values = {"entity": sweep.entity, "project": sweep.project, "sweep_id": sweep.sweep_id, "sweep": str(sweep)}
    try:
        args = [filled(one, values) for one in recipe.args]
        environment = {name: filled(one, values) for name, one in recipe.environment.items()}
        options = {name: filled(one, values) for name, one in recipe.options.items()}
    except MissingValue as error:
        raise Refused(f"It cannot be submitted: {error}.") from error
    return Submission(
        script=recipe.script,
        args=args,
        name=f"agent.{sweep.sweep_id}.{key}",
        work_dir=root,
        environment={**environment, "WANDB_ENTITY": sweep.entity, "WANDB_PROJECT": sweep.project},
        without=[*WITHOUT, *WITHOUT_RUN],
        comment=comment_for_agent(sweep.sweep_id, key),
        options=options,
    )


def commands_by_hand(recipe: AgentRecipeConfig, sweep: SweepPath, config: Mapping[str, Any], file: str) -> list[str]:
    """Return the commands to copy: those of a relaunch, then those of a new sweep from its file or its config."""
    new = file or "sweep.yaml"
    told = [] if file else [f"echo {shlex.quote(json.dumps(config))} > {new}"]
    agent = ["wandb", "agent", str(sweep)]
    if recipe.script:
        made = agent_submission(recipe, "", sweep, "by-hand")
        options = [f"--{name}={value}" if value else f"--{name}" for name, value in made.options.items()]
        agent = ["sbatch", *options, made.script, *made.args]
    create = ["wandb", "sweep", "--entity", sweep.entity, "--project", sweep.project, new]
    return [shlex.join(agent), *told, shlex.join(create)]
