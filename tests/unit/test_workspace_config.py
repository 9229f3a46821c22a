"""`sweepboard.toml`: what is accepted, and errors that name the line and the key."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from apps.workspaces.config import (
    ClusterConfig,
    ConfigError,
    SweepboardConfig,
    WorkspaceConfig,
    load_config,
    parse_config,
)
from apps.workspaces.domain import Policy
from apps.workspaces.sample import sample_config

DOCUMENTED = """
[wandb]
projects = ["team/glue"]
base_url = "https://wandb.example.org"
sync_seconds = 30

[slurm]
adapter = "slurm_cli"
users = ["mia", "tom"]

[[workspace]]
name = "glue"
root = "/shared/glue"
projects = ["team/glue", "team/glue-ablation"]
checkpoints = ["outputs/{run_id}/checkpoints/*.pt"]
logs = ["logs/*_{job_id}_{task_id}.out", "logs/*_{job_id}.out"]

[workspace.policy]
fast_completion_hours = 1.5
stale_heartbeat_minutes = 45

[workspace.resume]
script = "experiments/run.sbatch"
args = ["{sweep_id}", "{run_id}"]

[[workspace]]
name = "vision"
root = "/shared/vision"
"""


def error_of(text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        parse_config(text)
    return str(raised.value)


def test_the_documented_shape_is_read() -> None:
    config = parse_config(DOCUMENTED)
    assert config.projects() == ["team/glue", "team/glue-ablation"]
    assert config.workspace[0].policy.fast_completion_hours == 1.5
    assert config.workspace[0].recipe.args == ["{sweep_id}", "{run_id}"]
    assert config.workspace[1].policy == Policy()


def test_an_empty_file_has_every_default() -> None:
    assert parse_config("") == SweepboardConfig()


def test_the_sample_is_read_as_it_is_and_equals_the_defaults() -> None:
    config = parse_config(sample_config())
    assert config.workspace[0].policy == Policy()
    assert config.workspace[0].logs == WorkspaceConfig(name="x", root=Path("/x")).logs
    assert config.slurm == SweepboardConfig().slurm


def test_the_sample_names_every_key_of_the_schema() -> None:
    sample = tomllib.loads(with_clusters(sample_config()))
    assert set(sample["slurm"]["cluster"][0]) == set(ClusterConfig.model_fields)
    assert _missing(SweepboardConfig, {**sample, "workspace": sample["workspace"][0]}) == []


def with_clusters(sample: str) -> str:
    """Return the sample with the tables that it shows as comments put in force."""
    return re.sub(r"^#(?=\[|\w+ = )", "", sample, flags=re.MULTILINE)


def test_the_clusters_of_the_sample_are_read_once_their_marks_are_taken_away() -> None:
    assert parse_config(sample_config()).slurm.cluster == []
    (cluster,) = parse_config(with_clusters(sample_config())).slurm.cluster
    assert (cluster.name, cluster.conf) == ("north", "/etc/slurm/north.conf")


def _missing(model: type[BaseModel], given: dict[str, object]) -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        kind = WorkspaceConfig if name == "workspace" else field.annotation
        if name not in given:
            found.append(f"{model.__name__}.{name}")
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            inner = given[name]
            assert isinstance(inner, dict)
            found += _missing(kind, inner)
    return found


@pytest.mark.parametrize(
    ("text", "line", "key", "reason"),
    [
        ('[wandb]\nprojects = ["glue"]', 2, "wandb.projects.0", "entity/project"),
        ("[slurm]\nhistory_days = 3\nsync_seconds = 1", 3, "slurm.sync_seconds", "greater than or equal to 2"),
        ("[slurm]\nadapter = 'pbs'", 2, "slurm.adapter", "'pyslurm'"),
        ("[slurm]\n\nuser = ['mia']", 3, "slurm.user", "no such key"),
        ("[slrum]\nusers = []", 1, "slrum", "no such key"),
        ("[wandb]\nsync_seconds = 'often'", 2, "wandb.sync_seconds", "integer"),
        ("[[workspace]]\nname = 'a'", 1, "workspace.0.root", "Field required"),
        ("[[workspace]]\nroot = '/a'\nname = 'a b'", 3, "workspace.0.name", "pattern"),
        (
            "[[workspace]]\nname='a'\nroot='/a'\n[workspace.policy]\nfast_completion_hours = 0",
            5,
            "workspace.0.policy.fast_completion_hours",
            "greater than 0",
        ),
        (
            "[[workspace]]\nname='a'\nroot='/a'\n[[workspace]]\nname='b'\nroot='/b'\nlog = []",
            7,
            "workspace.1.log",
            "no such key",
        ),
        (
            "[[workspace]]\nname='a'\nroot='/a'\nlogs = ['../x_{job_id}.out']",
            4,
            "workspace.0.logs.0",
            "leads out of the workspace",
        ),
        (
            "[[workspace]]\nname='a'\nroot='/a'\ncheckpoints = ['/x/*.pt']",
            4,
            "workspace.0.checkpoints.0",
            "leads out of the workspace",
        ),
        (
            "[[workspace]]\nname='a'\nroot='/a'\ncheckpoints = ['out/{run}/*.pt']",
            4,
            "workspace.0.checkpoints.0",
            "unknown placeholder {run}",
        ),
        ("[[slurm.cluster]]\nname = 'a'\n[[slurm.cluster]]\nconf = '/x'", 3, "slurm.cluster.1.name", "Field required"),
        ("[[slurm.cluster]]\nname = 'a b'", 2, "slurm.cluster.0.name", "pattern"),
        ("[[slurm.cluster]]\nname = 'a'\n[[slurm.cluster]]\nname = 'a'", 1, "slurm", "two clusters have the name 'a'"),
        ("[slurm]\nadapter = 'local'\n[[slurm.cluster]]\nname = 'a'", 1, "slurm", "'local' has no clusters"),
        (
            "[[slurm.cluster]]\nname='c'\n[[workspace]]\nname='a'\nroot='/a'\n[[workspace]]\nname='b'\nlog = []",
            8,
            "workspace.1.log",
            "no such key",
        ),
    ],
)
def test_an_error_names_the_line_and_the_key(text: str, line: int, key: str, reason: str) -> None:
    sentence = error_of(text)
    assert f"sweepboard.toml, line {line}, {key}: " in sentence
    assert reason in sentence


@pytest.mark.parametrize("pattern", ["", "outputs/{run_id/*.pt", "outputs/run_id}/*.pt", "outputs/**.pt"])
def test_a_pattern_that_no_pass_could_use_is_refused_when_it_is_read(pattern: str) -> None:
    sentence = error_of(f"[[workspace]]\nname='a'\nroot='/a'\ncheckpoints = ['{pattern}']")
    assert "line 4, workspace.0.checkpoints.0: " in sentence


@pytest.mark.parametrize("what", ["name", "root"])
def test_two_workspaces_cannot_share_a_name_or_a_root(what: str) -> None:
    second = {"name": "b", "root": "/b"} | {what: {"name": "a", "root": "/a"}[what]}
    sentence = error_of(
        f"[[workspace]]\nname='a'\nroot='/a'\n[[workspace]]\nname='{second['name']}'\nroot='{second['root']}'"
    )
    assert f"two workspaces have the {what} " in sentence


def test_every_error_is_told_at_once() -> None:
    assert len(error_of("[slurm]\nsync_seconds = 0\n[wandb]\ntimeout_seconds = 0").splitlines()) == 2


def test_broken_toml_names_its_line() -> None:
    assert "not valid TOML" in error_of("[wandb\n")
    assert "line 1" in error_of("[wandb\n")


def test_a_missing_file_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read .* Set SWEEPBOARD_CONFIG"):
        load_config(tmp_path / "none.toml")


def test_a_file_that_is_no_text_says_so(tmp_path: Path) -> None:
    path = tmp_path / "sweepboard.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"is not UTF-8 text \(byte 0\)"):
        load_config(path)


def test_quiet_hours_are_meant_in_a_time_zone_that_exists() -> None:
    assert parse_config('[alerts]\ntimezone = "Europe/Berlin"').alerts.timezone == "Europe/Berlin"
    for nonsense in ("Mars/Base", "", "/etc/passwd", "../x"):
        with pytest.raises(ConfigError, match=r"line 2, alerts\.timezone: .*no time zone"):
            parse_config(f'[alerts]\ntimezone = "{nonsense}"')


WITH_RULES_OFF = """
[[workspace]]
name = "glue"
root = "/shared/glue"

[workspace.policy.rules_off]
{line}
"""


def test_a_rule_is_switched_off_with_a_reason() -> None:
    config = parse_config(WITH_RULES_OFF.replace("{line}", 'missing-seed = "the data set is fixed"'))
    assert config.workspace[0].policy.rules_off == {"missing-seed": "the data set is fixed"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('missing-sede = "x"', "no rule has the id 'missing-sede'; near ones are missing-seed"),
        ('Zombie = "x"', "no rule has the id 'Zombie'; near ones are zombie"),
        ('qqq = "x"', "no rule has the id 'qqq'; docs/rules.md lists them all"),
        ('missing-seed = ""', "the rule 'missing-seed' is switched off without a reason: write down why"),
        ('missing-seed = "  "', "the rule 'missing-seed' is switched off without a reason: write down why"),
    ],
)
def test_an_unknown_rule_and_an_empty_reason_are_refused_with_a_sentence(line: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as error:
        parse_config(WITH_RULES_OFF.replace("{line}", line))
    assert "line 6, workspace.0.policy.rules_off" in str(error.value)


def test_a_sweeps_own_policy_is_checked_in_the_same_way() -> None:
    text = """
[[workspace]]
name = "glue"
root = "/shared/glue"
[[workspace.sweep_policy]]
sweep = "swp1"
policy = { rules_off = { zombi = "x" } }
"""
    with pytest.raises(ConfigError, match="rules_off: no rule has the id 'zombi'; near ones are zombie"):
        parse_config(text)


def test_a_policy_that_was_stored_before_is_read_as_it_is() -> None:
    assert Policy.model_validate({"rules_off": {"gone-rule": ""}}).rules_off == {"gone-rule": ""}
