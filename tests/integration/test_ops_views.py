"""Health, log-in, accounts, the report in the workspace, and what stops a start."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.test import Client

from apps.audit.models import AuditEvent
from apps.board.report import write_reports
from apps.config import env, preflight
from apps.core.errors import Permanent
from apps.ops.accounts import ensure_accounts
from apps.workspaces.config import parse_config
from apps.workspaces.models import Workspace
from tests.factories.moments import NOW
from tests.factories.people import PASSWORD, UserFactory
from tests.factories.rows import SweepFactory, both_sources_answered
from tests.services.memory import World

pytestmark = pytest.mark.django_db


def test_a_living_process_says_so_to_anybody(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_readiness_tells_how_fresh_each_source_is(client: Client, redis_server: str) -> None:
    both_sources_answered()
    response = client.get("/readyz")
    assert response.status_code == 200
    assert [one["source"] for one in response.json()["sources"]] == ["slurm", "wandb"]


def test_without_redis_it_is_not_ready_and_says_so(client: Client, settings: Any, tmp_path: Path) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "Redis does not answer" in response.json()["redis"]


def log_in(client: Client, name: str, password: str) -> int:
    return client.post("/login/", {"username": name, "password": password}).status_code


def test_a_person_logs_in_and_out(client: Client) -> None:
    person = UserFactory()
    assert log_in(client, person.username, PASSWORD) == 302
    assert client.get("/").status_code == 200
    client.post("/logout/")
    assert client.get("/").status_code == 302


def test_a_password_guesser_is_locked_out_even_with_the_right_one(client: Client) -> None:
    person = UserFactory()
    statuses = [log_in(client, person.username, "wrong") for _ in range(11)]
    assert statuses[0] == 200
    assert log_in(client, person.username, PASSWORD) == 429
    other = UserFactory()
    assert log_in(client, other.username, PASSWORD) == 302


def test_the_first_start_makes_the_roles_and_one_admin() -> None:
    password = ensure_accounts()
    assert User.objects.get().check_password(password)
    assert set(Group.objects.values_list("name", flat=True)) == {"viewer", "operator", "admin"}
    assert ensure_accounts() == ""
    assert AuditEvent.objects.get().type == "user.created"


# ACTIVE_SWEEPS.md


def report_of(workspace: Workspace) -> str:
    return (workspace.path / "ACTIVE_SWEEPS.md").read_text()


def test_notes_of_people_are_kept_and_nothing_is_rewritten_for_its_time_alone(glue: Workspace) -> None:
    SweepFactory(workspace=glue, sweep_id="aaa")
    assert write_reports(workspaces=[glue], now=NOW) == [str(glue.path / "ACTIVE_SWEEPS.md")]
    path = glue.path / "ACTIVE_SWEEPS.md"
    path.write_text(f"{report_of(glue)}\n- Mia: keep `aaa` | until Friday\n")
    noted = report_of(glue)
    assert write_reports(workspaces=[glue], now=NOW.replace(hour=13)) == []
    assert report_of(glue) == noted
    SweepFactory(workspace=glue, sweep_id="bbb")
    write_reports(workspaces=[glue], now=NOW)
    assert "[bbb]" in report_of(glue)
    assert report_of(glue).endswith("\n- Mia: keep `aaa` | until Friday\n")


def test_a_workspace_without_its_root_or_with_a_report_that_leads_out_is_left_alone(
    glue: Workspace, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text("theirs")
    (glue.path / "ACTIVE_SWEEPS.md").symlink_to(outside)
    assert write_reports(workspaces=[glue], now=NOW) == []
    assert outside.read_text() == "theirs"
    glue.root = str(tmp_path / "none")
    assert write_reports(workspaces=[glue], now=NOW) == []


def test_the_report_command_writes_prints_and_refuses(glue: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("active_sweeps")
    assert f"Wrote {glue.path}/ACTIVE_SWEEPS.md." in capsys.readouterr().out
    call_command("active_sweeps", "--stdout")
    assert "# Active Sweeps" in capsys.readouterr().out
    with pytest.raises(CommandError, match="No workspace 'nobody'"):
        call_command("active_sweeps", "--workspace", "nobody")


def test_the_status_command_answers_and_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    SweepFactory(sweep_id="aaa")
    call_command("sweep_status", "aaa")
    assert "[aaa](https://wandb.ai/team/glue/sweeps/aaa)" in capsys.readouterr().out
    with pytest.raises(CommandError, match="No sweep with the id 'nobody'"):
        call_command("sweep_status", "nobody")


def test_a_sample_configuration_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "sweepboard.toml"
    call_command("init_config", str(path))
    assert parse_config(path.read_text()).workspace
    with pytest.raises(CommandError, match="is there already"):
        call_command("init_config", str(path))


# what stops a start


@pytest.fixture
def planned(world: World, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(env, "PORT", 0)
    settings.EMBEDDED_REDIS = False
    return settings


def problem() -> str:
    with pytest.raises(Permanent) as raised:
        preflight.plan_start()
    return str(raised.value)


def test_a_complete_configuration_starts(planned: Any) -> None:
    plan = preflight.plan_start()
    assert not plan.sandbox
    assert plan.scheduler.startswith("local: ")


def test_without_any_setting_the_sample_starts(planned: Any) -> None:
    planned.WANDB_API_KEY = planned.CONFIG_FILE = ""
    assert preflight.plan_start().sandbox


def test_each_wrong_setting_is_named_in_a_sentence(planned: Any, tmp_path: Path) -> None:
    planned.WANDB_API_KEY = ""
    assert "names W&B projects, but no key is set. Set WANDB_API_KEY" in problem()
    planned.CONFIG_FILE, planned.WANDB_BASE_URL = "", "https://wandb.example.org"
    assert "WANDB_BASE_URL is set, but no key" in problem()
    planned.WANDB_API_KEY = "key"
    assert "no project to follow" in problem()
    planned.CONFIG_FILE = str(tmp_path / "none.toml")
    assert "Set SWEEPBOARD_CONFIG" in problem()
    planned.REDIS_URL = f"unix://{tmp_path}/none.sock"
    assert "Check REDIS_URL" in problem()


@pytest.mark.parametrize(
    "address", ["sweepboard.example.org", "ftp://sweepboard.example.org", "https://", "https://a b"]
)
def test_an_address_that_nobody_could_open_is_named(planned: Any, address: str) -> None:
    planned.PUBLIC_URL = address
    assert "SWEEPBOARD_URL" in problem()


def test_a_root_that_is_no_folder_is_named(planned: Any, workspace_root: Path) -> None:
    workspace_root.rename(workspace_root.with_name("moved"))
    assert "The root of workspace 'glue'" in problem()


def test_a_home_and_a_port_that_cannot_be_used_are_named(
    planned: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(env, "HOST", "192.0.2.1")
    assert "Set PORT (or HOST)" in problem()
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="Set SWEEPBOARD_HOME"):
        env.state_folder(tmp_path / "file" / "home")
