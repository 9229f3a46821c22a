"""The inbox of red flags: what it shows, to whom, and what it costs."""

from typing import Any

import pytest
from django.test import Client

from apps.board import inbox
from apps.flags.models import Flag
from tests.factories.moments import before
from tests.factories.rows import FlagFactory, JobFactory, RunFactory, RunStatusFactory, SweepFactory, SyncPassFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]


def flagged(*, node: str = "g01", crash_class: str = "", sweep: Any = None, **values: Any) -> Flag:
    run = RunFactory(sweep=sweep or SweepFactory())
    RunStatusFactory(run=run, job=JobFactory(nodes=node), crash_class=crash_class)
    return FlagFactory(run=run, sweep=run.sweep, **values)


def page(client: Client, query: str = "") -> str:
    return client.get(f"/flags{query}").content.decode().split('id="inbox"')[1]


def test_the_runs_of_one_bad_node_read_as_one_line_with_evidence_and_next_action(viewer: Client) -> None:
    for _ in range(5):
        flagged(
            node="g07", crash_class="nccl-timeout", rule="preempted-not-resumed", evidence="It hung.", action="drain it"
        )
    text = page(viewer)
    for said in (
        "5 flags",
        "1 cause",
        "5 runs on node g07",
        "nccl-timeout",
        "It hung.",
        "Next: drain it",
        "and 2 more",
    ):
        assert said in text, said
    assert text.count("It hung.") == 3
    assert page(viewer, "?rule=preempted-not-resumed&crash=nccl-timeout&node=g07").count("It hung.") == 5


def test_filters_narrow_and_cleared_flags_are_not_shown(viewer: Client) -> None:
    flagged(rule="zombie", evidence="no job runs it")
    flagged(rule="idle-gpu", severity="warning", evidence="2 % used")
    flagged(rule="zombie", evidence="long over", cleared_at=before(minutes=5))
    assert "long over" not in page(viewer)
    assert "no job runs it" not in page(viewer, "?severity=warning")
    assert "2 % used" in page(viewer, "?q=idle+used")
    assert "No open flag matches" in page(viewer, "?rule=diverged&sweep=%00")


def test_a_flag_on_a_whole_sweep_and_one_without_a_sweep_are_shown(viewer: Client) -> None:
    FlagFactory(sweep=SweepFactory(name="warm-up"), run=None, rule="under-capacity", evidence="1 of 4 agents")
    run = RunFactory(sweep=None, name="alone")
    FlagFactory(run=run, sweep=None, rule="zombie", evidence="nobody carries it")
    text = page(viewer)
    assert "sweep warm-up" in text
    assert "1 of 4 agents" in text
    assert "no sweep" in text
    assert "nobody carries it" in page(viewer, "?rule=zombie&crash=none&sweep=none")


def test_hostile_names_are_text(viewer: Client) -> None:
    flagged(evidence="<script>alert(1)</script>", sweep=SweepFactory(name="<img src=x>"))
    text = page(viewer)
    assert "<script>alert" not in text
    assert "<img src=x>" not in text


def test_what_is_not_shown_is_counted_and_no_link_leads_where_one_is(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "MOST", 4)
    sweep = SweepFactory()
    for _ in range(6):
        FlagFactory()
        FlagFactory(run=RunFactory(sweep=sweep))
    text = viewer.get("/flags").content.decode()
    assert "3 causes more, less urgent than these, are not shown: narrow the filters." in text
    one = viewer.get(f"/flags?rule=zombie&crash=none&sweep={sweep.sweep_id}").content.decode()
    assert "and 2 more, which are not shown" in one
    assert 'id="more-' not in one
    assert "not shown" not in viewer.get("/flags?q=nothing").content.decode()


def test_an_empty_inbox_says_so_with_the_age_of_its_sources(viewer: Client) -> None:
    SyncPassFactory(error="W&B fails with HTTP 500.", error_id="3f9c21ab77d0")
    text = page(viewer)
    assert "No flag is open" in text
    assert "<strong>failed</strong>" in text


def test_every_page_counts_the_open_flags_in_its_header(viewer: Client) -> None:
    flagged(severity="critical")
    flagged(severity="warning")
    flagged(severity="note")
    flagged(severity="critical", cleared_at=before(minutes=1))
    for path in ("/", "/flags", "/offline", "/ops/sources"):
        header = viewer.get(path).content.decode().split("</header>")[0]
        assert '1<span class="sr"> critical' in header, path
        assert '1<span class="sr"> warning<' in header, path


def test_a_stranger_sees_no_flag(client: Client) -> None:
    flagged()
    assert client.get("/flags").status_code == 302
    assert 'class="tag' not in client.get("/login").content.decode()


@pytest.mark.parametrize("flags", [2, 30])
def test_the_inbox_costs_a_fixed_number_of_queries(viewer: Client, flags: int, django_assert_num_queries: Any) -> None:
    for number in range(flags):
        flagged(node=f"g{number}", crash_class="node-failure")
    viewer.get("/flags")
    with django_assert_num_queries(11):
        viewer.get("/flags")
