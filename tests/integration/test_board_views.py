"""The board over HTTP: who sees it, what it shows, and how it renews itself."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from apps.audit.selectors import revision
from apps.core.clock import utcnow
from apps.core.permissions import Role
from apps.flags.models import RunStatus
from tests.factories.moments import NOW, before
from tests.factories.people import UserFactory
from tests.factories.rows import (
    AgentLinkFactory,
    CheckpointFactory,
    FlagFactory,
    JobFactory,
    RunFactory,
    RunLinkFactory,
    SweepFactory,
    SyncPassFactory,
    WorkspaceFactory,
    both_sources_answered,
)
from tests.integration.conftest import client_of

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Target": "board"}
PAGES = ["/", "/board/updates", "/board/active-sweeps.md", "/board/sweep-status.md"]


@pytest.fixture(autouse=True)
def _noon() -> object:
    with time_machine.travel(NOW, tick=True):
        yield


def text_of(client: Client, url: str = "/", **options: Any) -> str:
    response = client.get(url, **options)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def names(html: str) -> list[str]:
    return re.findall(r">search (\w+)</span>", html)


# who


@pytest.mark.parametrize("url", PAGES)
def test_somebody_who_is_not_logged_in_is_sent_to_the_log_in(client: Client, url: str) -> None:
    response = client.get(url)
    assert response.status_code == 302
    assert response["Location"] == f"/login/?next={url}"


@pytest.mark.parametrize("url", ["/", "/board/active-sweeps.md", "/board/sweep-status.md"])
@pytest.mark.parametrize("role", list(Role))
def test_every_role_sees_the_board(role: Role, url: str) -> None:
    assert client_of(role).get(url).status_code == 200


def test_a_viewer_may_not_sync_and_is_told_what_it_takes(viewer: Client) -> None:
    response = viewer.post("/ops/sync")
    assert response.status_code == 403
    assert "This needs the role &#x27;operator&#x27;. Ask an admin" in response.content.decode()
    assert "Sync now" not in text_of(viewer)


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
def test_an_operator_may_sync_and_stays_on_this_site(role: Role, settings: Any, redis_server: str) -> None:
    settings.CELERY_BROKER_URL = "memory://"
    client = client_of(role)
    assert "Sync now" in text_of(client)
    assert client.get("/ops/sync").status_code == 405


def test_a_form_without_its_token_is_refused(db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory(role=Role.OPERATOR), backend="django.contrib.auth.backends.ModelBackend")
    assert client.post("/ops/sync").status_code == 403


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_board_is_only_read(viewer: Client, method: str) -> None:
    assert getattr(viewer, method)("/").status_code == 405


# headers


def test_the_policy_lets_no_inline_script_run(viewer: Client) -> None:
    policy = viewer.get("/")["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_no_page_is_kept_by_a_cache(viewer: Client) -> None:
    assert "no-store" in viewer.get("/")["Cache-Control"]


def test_a_sweep_cannot_smuggle_markup_into_the_page(viewer: Client) -> None:
    run = RunFactory(sweep__name="<script>alert(1)</script>", name="<img src=x>", user='"><b>')
    FlagFactory(run=run, evidence="<script>alert(2)</script>")
    html = text_of(viewer, f"/?open={run.sweep.pk}&q=%3Cscript%3E")
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


# page and partial


def test_htmx_gets_the_board_alone_and_the_answer_varies(viewer: Client) -> None:
    SweepFactory()
    page, partial = viewer.get("/"), viewer.get("/", headers=HTMX)
    assert page.content.startswith(b"<!doctype html>")
    assert partial.content.strip().startswith(b'<section id="board"')
    assert {"HX-Request", "HX-Target"} <= {name.strip() for name in partial["Vary"].split(",")}
    assert {"HX-Request", "HX-Target"} <= {name.strip() for name in page["Vary"].split(",")}


def test_htmx_gets_the_whole_page_for_another_target_and_after_a_lost_history(viewer: Client) -> None:
    for headers in ({**HTMX, "HX-Target": "elsewhere"}, {**HTMX, "HX-History-Restore-Request": "true"}):
        assert viewer.get("/", headers=headers).content.startswith(b"<!doctype html>")


# states of the panel


def test_before_the_first_pass_the_board_says_so(viewer: Client) -> None:
    assert "The first pass is under way" in text_of(viewer)


def test_without_an_active_sweep_the_board_says_what_to_do(viewer: Client) -> None:
    both_sources_answered()
    SweepFactory(state="FINISHED")
    assert "No sweep is active" in text_of(viewer)


def test_filters_that_hide_everything_say_how_much(viewer: Client) -> None:
    both_sources_answered()
    SweepFactory()
    html = text_of(viewer, "/?q=nothing")
    assert "No active sweep passes these filters" in html
    assert "1 active sweep is hidden" in html


def test_old_data_is_shown_with_its_age(viewer: Client) -> None:
    SweepFactory()
    both_sources_answered(at=before(minutes=10))
    html = text_of(viewer)
    assert "<strong>stale</strong>" in html
    assert "10 min ago" in html


def test_a_failed_source_shows_the_last_data_the_reason_and_a_reference(viewer: Client) -> None:
    SweepFactory(sweep_id="swp1")
    both_sources_answered(at=before(minutes=10))
    SyncPassFactory(error="W&B does not answer.", error_id="abc123")
    html = text_of(viewer)
    assert "<strong>failed</strong>" in html
    assert "W&amp;B does not answer." in html
    assert "abc123" in html
    assert "swp1" in html
    assert "W&amp;B not fresh" in html


def test_a_full_row_shows_what_is_known(viewer: Client) -> None:
    both_sources_answered()
    workspace = WorkspaceFactory(name="glue")
    run = RunFactory(sweep__workspace=workspace, sweep__expected_runs=2, metric_value=0.25)
    link = RunLinkFactory(run=run)
    AgentLinkFactory(sweep=run.sweep, job=link.job)
    AgentLinkFactory(sweep=run.sweep, job=JobFactory(state="PENDING"))
    CheckpointFactory(run=run, step=400)
    FlagFactory(run=run, rule="stale-heartbeat", severity="warning")
    RunStatus.objects.create(
        run=run, job=link.job, slurm_state="RUNNING", pair="normal", action="monitor", agree=True,
        epoch=4, target_epochs=10, step=400, percent=40, gpu_seconds=7200,
    )  # fmt: skip
    html = text_of(viewer)
    for part in ("1/2", "stale heartbeat", "20 %", "epoch 4/10", "step 400", "0.25", "stale-heartbeat", "2.0", "glue"):
        assert part in html, part


def test_a_sweep_whose_runs_all_ended_stays_while_a_critical_flag_is_open(viewer: Client) -> None:
    flag = FlagFactory(run__state="finished", run__sweep__state="FINISHED", run__sweep__sweep_id="kept")
    assert "[kept]" in text_of(viewer)
    flag.cleared_at = NOW
    flag.save()
    assert "[kept]" not in text_of(viewer)


# the view in the URL


def test_filters_narrow_the_board(viewer: Client) -> None:
    SweepFactory(sweep_id="aaa", workspace=WorkspaceFactory(name="glue"))
    FlagFactory(run__sweep__sweep_id="bbb", run__user="tom", run__sweep__state="PAUSED")
    assert names(text_of(viewer, "/?workspace=glue")) == ["aaa"]
    assert names(text_of(viewer, "/?flag=zombie")) == ["bbb"]
    assert names(text_of(viewer, "/?owner=tom")) == ["bbb"]
    assert names(text_of(viewer, "/?state=PAUSED")) == ["bbb"]
    assert names(text_of(viewer, "/?q=AAA")) == ["aaa"]


def test_the_worst_comes_first_and_a_column_sorts(viewer: Client) -> None:
    SweepFactory(sweep_id="aaa")
    FlagFactory(run__sweep__sweep_id="bbb")
    assert names(text_of(viewer)) == ["bbb", "aaa"]
    assert names(text_of(viewer, "/?sort=sweep")) == ["aaa", "bbb"]
    assert names(text_of(viewer, "/?sort=-sweep")) == ["bbb", "aaa"]
    assert names(text_of(viewer, "/?sort=nonsense")) == ["bbb", "aaa"]


def test_the_runs_of_an_open_sweep_come_in_pages_and_live_ones_first(viewer: Client) -> None:
    sweep = SweepFactory()
    ended = [RunFactory(sweep=sweep, state="finished", created_at=before(hours=n)).run_id for n in range(30)]
    live = RunFactory(sweep=sweep, created_at=before(days=3)).run_id
    assert live not in text_of(viewer)
    first = text_of(viewer, f"/?open={sweep.pk}")
    assert first.index(live) < first.index(ended[0])
    assert ended[-1] not in first
    assert "page 1 of 2 (31 runs)" in first
    second = text_of(viewer, f"/?open={sweep.pk}:2")
    assert ended[-1] in second
    assert live not in second


@pytest.mark.parametrize(
    "query",
    ["open=99999", "open=abc", "open=1:99999", f"open={'9' * 30}", "q=%00", "workspace=%00", "sort=" + "x" * 500],
)
def test_nonsense_in_the_url_is_no_error(viewer: Client, query: str) -> None:
    SweepFactory(pk=1)
    assert viewer.get(f"/?{query}").status_code == 200


# live updates


def test_nothing_newer_is_204(viewer: Client) -> None:
    both_sources_answered()
    response = viewer.get(f"/board/updates?since={revision()}&at={int(utcnow().timestamp())}&shown=1")
    assert (response.status_code, response.content) == (204, b"")


def test_the_rows_on_screen_come_out_of_band_and_new_and_left_sweeps_are_told(viewer: Client) -> None:
    both_sources_answered()
    shown, left = SweepFactory(sweep_id="aaa"), SweepFactory(sweep_id="bbb", state="FINISHED")
    SweepFactory(sweep_id="new")
    html = text_of(viewer, f"/board/updates?since=0&shown={shown.pk}.{left.pk}")
    assert f'<tbody id="sweep-{shown.pk}"' in html
    assert html.count("<tbody") == html.count("hx-swap-oob") - 1 == 1
    assert "1 new sweep: show it" in html
    assert "1 sweep on this screen is no longer active" in html
    assert f"since={revision()}" in html


def test_where_nothing_was_on_screen_the_whole_board_comes(viewer: Client) -> None:
    both_sources_answered()
    SweepFactory(sweep_id="new")
    html = text_of(viewer, "/board/updates?since=0&shown=")
    assert '<section id="board" hx-swap-oob="true"' in html
    assert "[new]" in html


@pytest.mark.parametrize("query", ["", "since=abc&shown=x.y", f"since={'9' * 5000}", f"since=0&shown={'9' * 5000}"])
def test_nonsense_asked_of_the_updates_is_no_error(viewer: Client, query: str) -> None:
    assert viewer.get(f"/board/updates?{query}").status_code in (200, 204)


# copies


def test_the_report_is_text_to_copy(viewer: Client) -> None:
    SweepFactory(sweep_id="aaa", workspace=WorkspaceFactory(name="glue"))
    SweepFactory(sweep_id="bbb")
    response = viewer.get("/board/active-sweeps.md")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert "[aaa](https://wandb.ai/team/glue/sweeps/aaa)" in response.content.decode()
    assert "[bbb]" not in text_of(viewer, "/board/active-sweeps.md?workspace=glue")
    assert viewer.get("/board/active-sweeps.md?workspace=%00").status_code == 200


def test_the_chat_answer_is_one_table(viewer: Client) -> None:
    SweepFactory(sweep_id="aaa")
    text = text_of(viewer, "/board/sweep-status.md?sweep=aaa")
    assert text.startswith("## Sweep Status\n")
    assert "[aaa](https://wandb.ai/team/glue/sweeps/aaa)" in text


@pytest.mark.parametrize("sweep", ["nobody", "%00"])
def test_the_chat_answer_for_an_unknown_sweep_is_404_with_a_sentence(viewer: Client, sweep: str) -> None:
    response = viewer.get(f"/board/sweep-status.md?sweep={sweep}")
    assert response.status_code == 404
    assert "No sweep with the id" in response.content.decode()


def test_an_unknown_page_is_told_in_a_sentence(viewer: Client) -> None:
    response = viewer.get("/nothing")
    assert response.status_code == 404
    assert "There is nothing here." in response.content.decode()


# cost


@pytest.mark.parametrize("sweeps", [3, 30])
def test_the_board_costs_a_fixed_number_of_queries(viewer: Client, sweeps: int, django_assert_num_queries: Any) -> None:
    for _ in range(sweeps):
        sweep = SweepFactory(workspace=WorkspaceFactory())
        for run in RunFactory.create_batch(3, sweep=sweep):
            link = RunLinkFactory(run=run)
            AgentLinkFactory(sweep=sweep, job=link.job)
            CheckpointFactory(run=run)
            FlagFactory(run=run)
            RunStatus.objects.create(run=run, job=link.job, slurm_state="RUNNING", pair="normal", action="monitor")
    viewer.get("/")
    with django_assert_num_queries(28):  # two of handovers: those that are due, those that name the open sweep
        viewer.get(f"/?open={sweep.pk}")


def test_a_poll_without_news_costs_next_to_nothing(viewer: Client, django_assert_max_num_queries: Any) -> None:
    both_sources_answered()
    with django_assert_max_num_queries(5):
        viewer.get(f"/board/updates?since={revision()}&at={int(utcnow().timestamp())}")


def test_the_clock_of_these_tests_stands_at_noon() -> None:
    assert utcnow() - NOW < timedelta(minutes=1)
