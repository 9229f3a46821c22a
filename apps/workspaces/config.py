"""`sweepboard.toml`: its shape, its defaults, and errors that name the line and the key.

Every field's description is also its comment in the file that `manage.py init_config` writes.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from apps.core.errors import Permanent
from apps.workspaces.domain import WRITTEN, Policy
from apps.workspaces.recipes import AgentRecipeConfig, RecipeConfig
from apps.workspaces.review import OptionalZone, ReviewConfig, Zone

PROJECT_PATTERN = re.compile(r"^[^/\s]+/[^/\s]+$")
PLACEHOLDERS = {"run_id", "job_id", "task_id", "sweep_id"}


class ConfigError(Permanent):
    """The configuration cannot be used; the sentence names file, line and key."""


def _project(value: str) -> str:
    if not PROJECT_PATTERN.match(value):
        raise ValueError(f"'{value}' is not of the form entity/project")
    return value


def _pattern(value: str) -> str:
    if value.startswith("/") or ".." in Path(value).parts:
        raise ValueError(f"'{value}' leads out of the workspace; patterns are relative to its root")
    unknown = set(re.findall(r"\{([^{}]*)\}", value)) - PLACEHOLDERS
    if unknown:
        known = ", ".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS))
        raise ValueError(f"'{value}' has the unknown placeholder {{{min(unknown)}}}; known are {known}")
    if not value or re.search(r"[{}]", re.sub(r"\{\w+\}", "", value)):
        raise ValueError(f"'{value}' is no pattern: it is empty, or a brace is missing")
    if any("**" in part and part != "**" for part in Path(value).parts):
        raise ValueError(f"'{value}' is no pattern: '**' stands for whole folders and must be alone between slashes")
    return value


ProjectPath = Annotated[str, AfterValidator(_project)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WandbConfig(_Section):
    projects: list[ProjectPath] = Field(
        default=[], description="W&B projects to follow, as entity/project; those of the workspaces are added"
    )
    base_url: str = Field(default="", description="the W&B server; WANDB_BASE_URL wins; empty = hosted W&B")
    api_key: str = Field(default="", description="better kept in WANDB_API_KEY, which wins")
    sync_seconds: int = Field(default=30, ge=2, description="seconds between two passes")
    history_seconds: int = Field(default=300, ge=10, description="seconds between two looks at what runs logged")
    deletions_seconds: int = Field(default=3600, ge=60, description="seconds between two looks for deleted runs")
    folders_seconds: int = Field(default=60, ge=5, description="seconds between two looks for runs trained offline")
    timeout_seconds: int = Field(default=20, ge=1, description="how long one request may take")


class ClusterConfig(_Section):
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="the cluster's own name, its ClusterName in slurm.conf"
    )
    conf: str = Field(
        default="",
        description="path of its slurm.conf; empty = Slurm's clients find it by name, in the slurmdbd that they share",
    )


class SlurmConfig(_Section):
    adapter: Literal["auto", "pyslurm", "slurm_cli", "local"] = Field(
        default="auto", description="auto | pyslurm | slurm_cli | local"
    )
    users: list[str] = Field(default=[], description="whose jobs; empty = all that are visible")
    sync_seconds: int = Field(default=20, ge=2, description="seconds between two passes")
    history_days: int = Field(default=14, ge=1, description="how far back the first pass reads accounting")
    timeout_seconds: int = Field(default=20, ge=1, description="how long one call of a client may take")
    local_slots: int = Field(default=0, ge=0, description="local adapter: jobs at a time; 0 = one per CPU")
    cluster: list[ClusterConfig] = Field(
        default=[], description="one [[slurm.cluster]] for each of several; none = the one that the clients know"
    )

    @model_validator(mode="after")
    def _clusters_are_slurms_and_unique(self) -> "SlurmConfig":
        names = [cluster.name for cluster in self.cluster]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two clusters have the name '{min(doubled)}'")
        if names and self.adapter == "local":
            raise ValueError("adapter = 'local' has no clusters; take out [[slurm.cluster]], or set adapter to 'auto'")
        return self


class LogsConfig(_Section):
    """What reading job logs may cost; a log that says more is read at its head and its tail."""

    max_bytes_per_log: int = Field(
        default=64 << 20, ge=1, description="bytes of one log in one pass; of more, the middle is left out and noted"
    )
    max_bytes_per_pass: int = Field(
        default=256 << 20, ge=1, description="bytes of all logs in one pass; the rest is read in the next passes"
    )
    seconds_per_pass: float = Field(
        default=30, gt=0, description="how long one pass may read; the rest is read in the next passes"
    )
    max_line_bytes: int = Field(
        default=4000, ge=80, le=1 << 20, description="of a longer line only this beginning is looked at"
    )


class SweepPolicyConfig(_Section):
    """A sweep whose thresholds differ from its workspace's; only the keys that are given do."""

    sweep: str = Field(description="the sweep's id, or its name")
    policy: dict[str, Any] = Field(default={}, description="thresholds of this sweep, as under [workspace.policy]")

    @field_validator("policy")
    @classmethod
    def _is_a_policy(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        try:
            Policy.model_validate(value, context=info.context)
        except ValidationError as error:
            raise ValueError("; ".join(_short(one) for one in error.errors())) from error
        return value


class WorkspaceConfig(_Section):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="a short name for the board")
    root: Path = Field(description="the checkout on the shared filesystem")
    links_into: list[Path] = Field(
        default=[],
        description="folders outside of root into which its links may lead, such as the scratch space of outputs/",
    )
    projects: list[ProjectPath] = Field(default=[], description="the W&B projects that train here")
    checkpoints: list[Pattern] = Field(
        default=[
            "outputs/{run_id}/checkpoints/*.pt",
            "outputs/{run_id}/checkpoints/*.ckpt",
            "outputs/{run_id}/checkpoints/*.safetensors",
            "outputs/{run_id}/checkpoint-*",
        ],
        description="where checkpoints are, relative to root",
    )
    logs: list[Pattern] = Field(
        default=[
            "logs/*_{job_id}_{task_id}.out",
            "logs/*_{job_id}_{task_id}.err",
            "logs/*_{job_id}.out",
            "logs/*_{job_id}.err",
            "slurm-{job_id}_{task_id}.out",
            "slurm-{job_id}.out",
        ],
        description="where job logs are, when Slurm does not say",
    )
    run_config: list[Pattern] = Field(
        default=["outputs/{run_id}/config.yaml", "outputs/{run_id}/hydra_config.yaml"],
        description="the run's own config",
    )
    sweep_files: list[Pattern] = Field(
        default=["experiments/*.yaml", "experiments/*.yml"],
        description="the sweeps' YAML files: their head comments and description say why a sweep runs",
    )
    active_sweeps_file: str = Field(
        default="ACTIVE_SWEEPS.md", description="the generated report; empty = do not write it"
    )
    base_branch: str = Field(
        default="", description="the branch that others are merged into; empty = that of origin/HEAD, else main"
    )
    worktrees_in: str = Field(
        default="../{name}-worktrees",
        description="the folder for new worktrees, relative to root; {name} is the name of root's folder",
    )
    review_timezone: OptionalZone = Field(
        default="", description="in which the weeks of this workspace's review begin; empty = that of [review]"
    )
    policy: Policy = Field(default=Policy(), description="thresholds of the red flags")
    sweep_policy: list[SweepPolicyConfig] = Field(
        default=[], description="one [[workspace.sweep_policy]] for each sweep with thresholds of its own"
    )
    recipe: RecipeConfig = Field(default=RecipeConfig(), description="how a run is continued")
    agent: AgentRecipeConfig = Field(default=AgentRecipeConfig(), description="how an agent of a sweep is started")

    @model_validator(mode="before")
    @classmethod
    def _resume_was_the_recipes_name(cls, value: Any) -> Any:
        if isinstance(value, dict) and "resume" in value and "recipe" not in value:
            return {("recipe" if key == "resume" else key): held for key, held in value.items()}
        return value


class RetentionConfig(_Section):
    """How long the machine's own records are kept; flags, audit events and handovers are kept for ever."""

    history_days: int = Field(default=90, ge=1, description="samples of what ended runs logged")
    jobs_days: int = Field(default=365, ge=1, description="ended jobs that carried no run of a sweep")
    passes_days: int = Field(default=30, ge=1, description="notes of passes over W&B, Slurm and the folders")
    alerts_days: int = Field(default=90, ge=1, description="messages of alert channels, and causes that are over")


class AlertsConfig(_Section):
    """Messages about red flags; where they go is set on the screen /alerts."""

    settle_seconds: int = Field(
        default=60, ge=0, le=3600, description="how long a new cause waits, so that all its runs are in one message"
    )
    timezone: Zone = Field(
        default="UTC", description="in which the channels' quiet hours are meant, such as Europe/Berlin"
    )


class HandoversConfig(_Section):
    """Handover documents: how often they are looked at, and what that may cost."""

    scan_seconds: int = Field(default=30, ge=5, description="seconds between two looks at the handover documents")
    max_bytes: int = Field(
        default=10 << 20, ge=1000, description="bytes of one document; what comes after that is said and not kept"
    )
    archive_seconds: int = Field(default=3600, ge=60, description="seconds between two looks for old handovers")
    work_seconds: int = Field(
        default=300, ge=30, description="seconds between two questions to git how much came since the last handover"
    )


class ApiConfig(_Section):
    """The agents' door: the JSON API and MCP."""

    reads_per_minute: int = Field(default=600, ge=1, description="requests of one token that change nothing")
    writes_per_minute: int = Field(default=60, ge=1, description="requests of one token that change something")
    token_days: int = Field(default=90, ge=1, le=366, description="how long a new token lives, unless it says itself")
    waiting_at_once: int = Field(
        default=20, ge=0, description="requests that may wait (?wait=) at once in one web process; more are not kept"
    )
    webhook_seconds: int = Field(default=10, ge=1, le=25, description="how long the delivery of an answer may take")
    webhook_attempts: int = Field(default=8, ge=1, le=20, description="how often it is tried, each wait twice as long")
    webhook_hosts: list[str] = Field(
        default=[], description="hosts that answers are sent to though they lie on this machine or link-local, by name"
    )


class WorktreesConfig(_Section):
    """The worktrees of every workspace's repository: how often they are looked at, and what that may cost."""

    scan_seconds: int = Field(default=60, ge=10, description="seconds between two looks at the worktrees")
    look_again_seconds: int = Field(
        default=600,
        ge=60,
        description="a worktree whose index and branches did not change is asked again after so long",
    )
    git_seconds: float = Field(default=30, gt=0, description="how long one question to git may take")
    walk_seconds: float = Field(
        default=10, gt=0, description="how long the files of one worktree are walked; of more the size is unknown"
    )


class SweepboardConfig(_Section):
    wandb: WandbConfig = WandbConfig()
    slurm: SlurmConfig = SlurmConfig()
    retention: RetentionConfig = RetentionConfig()
    logs: LogsConfig = LogsConfig()
    alerts: AlertsConfig = AlertsConfig()
    handovers: HandoversConfig = HandoversConfig()
    api: ApiConfig = ApiConfig()
    worktrees: WorktreesConfig = WorktreesConfig()
    review: ReviewConfig = ReviewConfig()
    workspace: list[WorkspaceConfig] = []

    @model_validator(mode="after")
    def _names_and_roots_are_unique(self) -> "SweepboardConfig":
        for what in ("name", "root"):
            values = [str(getattr(workspace, what)) for workspace in self.workspace]
            doubled = {value for value in values if values.count(value) > 1}
            if doubled:
                raise ValueError(f"two workspaces have the {what} '{min(doubled)}'")
        return self

    def projects(self) -> list[str]:
        """Return every project to follow, once, in the order of the file."""
        named = [*self.wandb.projects, *(path for workspace in self.workspace for path in workspace.projects)]
        return list(dict.fromkeys(named))


def load_config(path: Path) -> SweepboardConfig:
    """Read and check the file; ``ConfigError`` says what is wrong, on which line, under which key."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}). Set SWEEPBOARD_CONFIG to your sweepboard.toml, "
            "or write one with `manage.py init_config`."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}).") from error
    return parse_config(text, str(path))


def parse_config(text: str, name: str = "sweepboard.toml") -> SweepboardConfig:
    """Check the text of a configuration; see ``load_config``."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not valid TOML: {error}.") from error
    try:
        return SweepboardConfig.model_validate(raw, context=WRITTEN)
    except ValidationError as error:
        raise ConfigError("\n".join(_sentence(text, name, item) for item in error.errors())) from error


def _short(item: object) -> str:
    assert isinstance(item, dict)  # noqa: S101 - pydantic promises it; this narrows the type
    return f"{'.'.join(str(part) for part in item['loc'])}: {_message(item['msg'])}"


def _message(said: str) -> str:
    return said.removeprefix("Value error, ").replace("Extra inputs are not permitted", "no such key")


def _sentence(text: str, name: str, item: object) -> str:
    assert isinstance(item, dict)  # noqa: S101 - pydantic promises it; this narrows the type
    location: tuple[str | int, ...] = item["loc"]
    key = ".".join(str(part) for part in location) or "the file"
    line = line_of(text, location)
    message = _message(item["msg"])
    given = item.get("input")
    told = f" (it is {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{name}, line {line}, {key}: {message}{told}."


def line_of(text: str, location: tuple[str | int, ...]) -> int:
    """Return the line (from 1) where the key at ``location`` stands, or the section it is missing from.

    ``location`` is a path such as ``("workspace", 0, "policy", "fast_completion_hours")``.
    """
    names, indexes = _path_of(location)
    best, here, counted = 1, [""], Counter[tuple[str, ...]]()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line)
        if header:
            here = [part.strip().strip('"') for part in header[2].split(".")]
            counted[tuple(here)] += header[1] == "[["
            inside = names[: len(here)] == here and _is_the_one(here, counted, indexes)
            best = number if inside else best
            here = here if inside else [""]
        elif key := re.match(r"\s*([\w-]+|\"[^\"]+\")\s*=", line):
            here_path = [*(here if here != [""] else []), key[1].strip('"')]
            if len(here_path) <= len(names) and names[: len(here_path)] == here_path:
                return number
    return best


def _path_of(location: Sequence[str | int]) -> tuple[list[str], dict[tuple[str, ...], int]]:
    """Return the names of a location, and which table is meant of each [[array]] on the way."""
    names: list[str] = []
    indexes: dict[tuple[str, ...], int] = {}
    for part in location:
        if isinstance(part, int):
            indexes[tuple(names)] = part
        else:
            names.append(part)
    return names, indexes


def _is_the_one(here: list[str], counted: Counter[tuple[str, ...]], indexes: dict[tuple[str, ...], int]) -> bool:
    """Whether the tables that were counted so far are those of the location, for every array above ``here``."""
    above = [tuple(here[:length]) for length in range(1, len(here) + 1)]
    return all(counted[path] == indexes[path] + 1 for path in above if path in indexes and counted[path])
