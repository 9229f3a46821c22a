"""Promises of the running application: every door is guarded, every task is of one kind."""

import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from apps.config.celery import app as celery
from apps.core.permissions import Permission
from apps.core.tasks import Queue, SweepboardTask

ROOT = Path(__file__).parents[2]
PUBLIC = {"login/", "healthz", "readyz", "api/v1/openapi.json"}
OUT = {"logout/"}  # a POST of whoever is logged in
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for one in resolver.url_patterns:
        if isinstance(one, URLResolver):
            yield from patterns(one, prefix + str(one.pattern))
        else:
            yield prefix + str(one.pattern), one


def needs_a_token(pattern: URLPattern) -> bool:
    """Behind the agents' door no session counts: a token is asked for there, and each act asks for its scope."""
    return bool(getattr(pattern.callback, "needs_token", False))


def test_every_url_is_guarded_by_a_permission_or_a_token_or_public_on_purpose() -> None:
    unguarded = {
        url
        for url, pattern in patterns(get_resolver())
        if not isinstance(getattr(pattern.callback, "required_permission", None), Permission)
        and not needs_a_token(pattern)
    }
    assert unguarded == PUBLIC | OUT


def test_only_the_public_urls_need_neither_a_log_in_nor_a_token() -> None:
    open_doors = {
        url
        for url, pattern in patterns(get_resolver())
        if not getattr(pattern.callback, "login_required", True) and not needs_a_token(pattern)
    }
    assert open_doors == PUBLIC


def test_the_doors_that_take_a_token_are_those_of_the_agents_and_open_to_nobody_without_one() -> None:
    doors = {url for url, pattern in patterns(get_resolver()) if needs_a_token(pattern)}
    assert doors
    assert all(url.startswith("api/v1/") or url in ("api/v1", "mcp", "mcp/") for url in doors)
    for url in doors:
        path = "/" + re.sub(r"<[^>]+>", "1", url)
        for method in ("get", "post", "put", "delete", "patch"):
            assert getattr(Client(), method)(path).status_code == 401, (method, path)


def test_every_operation_of_the_api_is_an_act_that_names_its_scope() -> None:
    from apps.api.acts.registry import ACTS
    from apps.api.views.docs import document

    operations = [one for methods in json.loads(document())["paths"].values() for one in methods.values()]
    assert {one["operationId"]: one["x-scope"] for one in operations} == {
        name: act.scope.value for name, act in ACTS.items()
    }


def our_tasks() -> dict[str, object]:
    celery.loader.import_default_modules()
    return {name: task for name, task in celery.tasks.items() if not name.startswith("celery.")}


def test_every_task_is_of_our_kind_and_names_its_queue() -> None:
    tasks = our_tasks()
    assert tasks
    for name, task in tasks.items():
        assert isinstance(task, SweepboardTask), name
        assert task.lane in set(Queue), name
        assert celery.amqp.router.route({}, name, task_type=task)["queue"].name == task.lane.value


def test_what_beat_sends_exists_and_goes_to_a_queue_that_is_read() -> None:
    from apps.config.schedule import beat_schedule

    for entry in beat_schedule().values():
        assert entry["task"] in our_tasks()
        assert entry["options"]["queue"] in set(Queue)
        assert entry["options"]["expires"] <= entry["schedule"]


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    said = StringIO()
    try:
        call_command("makemigrations", "--check", "--dry-run", stdout=said)
    except SystemExit:
        pytest.fail(said.getvalue())
    assert "No changes detected" in said.getvalue()


def test_every_constraint_and_index_has_a_name_in_words() -> None:
    ours = [model for model in apps.get_models() if model.__module__.startswith("apps.")]
    names = [one.name for model in ours for one in [*model._meta.constraints, *model._meta.indexes]]
    assert names
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+)+", name)] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_template_holds_no_inline_script_style_or_handler(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"<style\b|\sstyle=", text)
    assert not re.search(r"\son[a-z]+\s*=|javascript:|\shx-on", text)


def variables(path: Path) -> set[str]:
    return set(re.findall(r"""env(?:\.(?:str|int|bool|list|float))?\(\s*"([A-Z_]+)\"""", path.read_text()))


def test_the_sample_environment_names_every_variable_and_no_other() -> None:
    read = set().union(*(variables(path) for path in (ROOT / "apps" / "config").rglob("*.py")))
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = {found[1] for line in lines if (found := re.match(r"#?([A-Z_]+)=", line))}
    assert read == named


def test_the_page_on_configuration_names_every_variable_and_no_other() -> None:
    table = [line for line in (ROOT / "docs" / "configuration.md").read_text().splitlines() if line.startswith("| `")]
    named = {name for line in table for name in re.findall(r"`([A-Z_]+)`", line.split("|")[1])}
    sample = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert named == set(sample)


def test_every_variable_of_the_sample_environment_is_explained_and_off() -> None:
    blocks = (ROOT / ".env.example").read_text().strip().split("\n\n")[1:]
    for block in blocks:
        comments = [line for line in block.splitlines() if line.startswith("# ")]
        assert comments, block
        assert all(line.startswith("#") for line in block.splitlines()), block


def test_every_block_of_the_style_sheet_is_closed() -> None:
    """An open one swallows whatever stands below it."""
    for path in (ROOT / "static" / "css").glob("*.css"):
        text = re.sub(r"/\*.*?\*/|\"[^\"\n]*\"", "", path.read_text(), flags=re.DOTALL)
        assert text.count("{") == text.count("}"), path.name


def test_plotly_is_the_one_that_belongs_to_the_library_and_is_told_to_write_no_styles() -> None:
    """plotly.js writes style elements, which the policy forbids, unless the page holds elements of these ids."""
    from plotly.offline import get_plotlyjs_version

    bundle = ROOT / "static" / "vendor" / f"plotly-strict-{get_plotlyjs_version()}" / "plotly-strict.min.js"
    page = (ROOT / "templates" / "pages" / "charted.html").read_text()
    assert f"vendor/{bundle.parent.name}/{bundle.name}" in page
    code = bundle.read_text()
    for name in re.findall(r'getElementById\("([0-9a-f]{64})"\)', code):
        assert f'id="{name}"' in page
    assert '"plotly.js-style-"' in code
    assert 'id="plotly.js-style-global" class="no-inline-styles"' in page
    assert (bundle.parent / "LICENSE").read_text().startswith("MIT License")


def test_workers_find_the_tasks_of_every_room() -> None:
    """A room whose tasks Celery does not look for would have them run by nobody."""
    told = (ROOT / "apps/config/celery.py").read_text()
    rooms = {path.parent.name for path in ROOT.glob("apps/*/tasks.py")} - {"core"}
    assert sorted(room for room in rooms if f'"{room}"' not in told) == []
