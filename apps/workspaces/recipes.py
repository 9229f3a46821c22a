"""How a workspace continues a run: the recipe in `sweepboard.toml`, and the few placeholders that it may use. Pure.

A recipe is a script, a list of arguments, an environment and options of the scheduler. It never is a shell string.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

PLACEHOLDERS = ("run_id", "checkpoint", "checkpoint_dir", "step", "sweep_id", "config")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPTION = re.compile(r"[a-z][a-z0-9-]*")
# Sweepboard's own: they say which run is continued and by which request.
_OWN_VARIABLES = frozenset({"WANDB_RUN_ID", "WANDB_RESUME", "WANDB_ENTITY", "WANDB_PROJECT", "SWEEPBOARD_CHECKPOINT"})
_NEVER_VARIABLES = frozenset({"WANDB_SWEEP_ID"})
_OWN_OPTIONS = frozenset({"comment", "job-name", "chdir", "export"})
_NEVER_OPTIONS = frozenset(
    {"wrap", "array", "wait", "test-only", "parsable", "clusters", "export-file", "input", "uid", "gid", "help"}
)


def _with_placeholders(*names: str) -> Callable[[str], str]:
    """Return a validator that lets only these placeholders through."""

    def check(value: str) -> str:
        if unknown := set(_PLACEHOLDER.findall(value)) - set(names):
            known = ", ".join(f"{{{name}}}" for name in names)
            raise ValueError(f"'{value}' has the unknown placeholder {{{min(unknown)}}}; known are {known}")
        if "\x00" in value:
            raise ValueError("a value may not hold a NUL character")
        return value

    return check


def _in_workspace(value: str) -> str:
    if value.startswith("/") or ".." in value.split("/"):
        raise ValueError(f"'{value}' leads out of the workspace; the script's path is relative to its root")
    return value


Filled = Annotated[str, AfterValidator(_with_placeholders(*PLACEHOLDERS))]


def _check_variables(names: Iterable[str]) -> None:
    for name in names:
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"'{name}' is not the name of a variable")
        if name in _OWN_VARIABLES:
            raise ValueError(f"{name} is set by Sweepboard, for each run")
        if name in _NEVER_VARIABLES:
            raise ValueError(f"with {name} W&B ignores which run is to be continued")


def _check_options(names: Iterable[str]) -> None:
    for name in names:
        if not _OPTION.fullmatch(name):
            raise ValueError(f"'{name}' is not the long name of an sbatch option")
        if name in _OWN_OPTIONS:
            raise ValueError(f"{name} is set by Sweepboard: by it a job is found again")
        if name in _NEVER_OPTIONS:
            raise ValueError(f"{name} makes no single job that could be followed")


class _JobRecipe(BaseModel):
    """What every recipe for a job keeps to: its variables and options never contradict Sweepboard's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("environment", check_fields=False)
    @classmethod
    def _variables_are_the_workspaces(cls, value: dict[str, str]) -> dict[str, str]:
        _check_variables(value)
        return value

    @field_validator("options", check_fields=False)
    @classmethod
    def _options_are_the_workspaces(cls, value: dict[str, str]) -> dict[str, str]:
        _check_options(value)
        return value


class RecipeConfig(_JobRecipe):
    """What is submitted to continue one run, in a job of its own."""

    script: Annotated[str, AfterValidator(_in_workspace)] = Field(
        default="",
        description="the batch script that continues a run, relative to root; empty = runs cannot be resumed",
    )
    args: list[Filled] = Field(
        default=[],
        description="its arguments; placeholders {run_id} {checkpoint} {checkpoint_dir} {step} {sweep_id} {config}",
    )
    change: list[str] = Field(
        default=[],
        description="the arguments that tell the script of one changed key of its config, with {key} and {value}",
    )
    environment: dict[str, Filled] = Field(
        default={}, description="variables for the job, beside WANDB_RUN_ID, WANDB_RESUME=must and the like"
    )
    options: dict[str, Filled] = Field(
        default={}, description="sbatch options by their long names; an empty value is a bare flag"
    )
    requeue: bool = Field(
        default=False,
        description="true = a requeued job's own script continues its run by itself, so requeue comes first",
    )
    cluster: str = Field(
        default="", description="where to submit, if there are several; empty = where the run last ran"
    )

    @field_validator("change")
    @classmethod
    def _a_change_names_key_and_value(cls, value: list[str]) -> list[str]:
        for text in value:
            if unknown := set(_PLACEHOLDER.findall(text)) - {"key", "value"}:
                raise ValueError(
                    f"'{text}' has the unknown placeholder {{{min(unknown)}}}; known are {{key}}, {{value}}"
                )
        if value and not all(any(f"{{{name}}}" in text for text in value) for name in ("key", "value")):
            raise ValueError("the arguments must hold {key} and {value}, as in '{key}={value}'")
        return value


AGENT_PLACEHOLDERS = ("sweep", "sweep_id", "entity", "project")


FilledForAgent = Annotated[str, AfterValidator(_with_placeholders(*AGENT_PLACEHOLDERS))]


class AgentRecipeConfig(_JobRecipe):
    """What is submitted so that one more agent works for a sweep, in a job of its own."""

    script: Annotated[str, AfterValidator(_in_workspace)] = Field(
        default="",
        description="the batch script that starts one agent, relative to root; empty = agents are started by hand",
    )
    args: list[FilledForAgent] = Field(
        default=[],
        description="its arguments; placeholders {sweep} (entity/project/id) {sweep_id} {entity} {project}",
    )
    environment: dict[str, FilledForAgent] = Field(
        default={}, description="variables for the job, beside WANDB_ENTITY and WANDB_PROJECT"
    )
    options: dict[str, FilledForAgent] = Field(
        default={}, description="sbatch options by their long names; an empty value is a bare flag"
    )
    cluster: str = Field(default="", description="where to submit, if there are several clusters")


class MissingValue(ValueError):
    """The recipe needs a value that nobody knows; the sentence names it."""


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return ``text`` with its placeholders replaced; ``MissingValue`` where one has no value."""

    def value(found: re.Match[str]) -> str:
        if not (told := values.get(found[1], "")):
            raise MissingValue(f"the recipe uses {{{found[1]}}}, and nothing tells it for this run")
        return told

    return _PLACEHOLDER.sub(value, text)
