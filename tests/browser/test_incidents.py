"""The discrepancy log and the preemption history in a real browser."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from apps.core.clock import utcnow
from apps.flags.models import Flag
from apps.flags.triage import Act, Wish, triage
from apps.links.models import RunLink
from tests.browser import seed
from tests.browser.conftest import Visit
from tests.browser.test_board_looks import violations

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]
PAGES = ("/discrepancies", "/preemptions")


def odd_week() -> None:
    """The odd board, a zombie that somebody looked after, one that ended by itself, and a preempted run."""
    seed.odd_board()
    flags = list(Flag.objects.filter(rule__in=("zombie", "stale-heartbeat")))
    note = "asked noor whether the node was drained; she is looking at it"
    triage(flags=[flags[0].pk], wish=Wish(Act.COMMENT, "mira", note), now=utcnow())
    triage(flags=[flags[0].pk], wish=Wish(Act.ACKNOWLEDGE, "mira"), now=utcnow())
    Flag.objects.filter(pk=flags[1].pk).update(cleared_at=utcnow())
    one = seed.sweep("preempt1", "swin-long")
    how = seed.Training(wandb="crashed", slurm="PREEMPTED", pair="preempted")
    run = seed.run(one, "preempt", how, job_id="8801")
    job = run.status.job
    job.end_at = utcnow() - timedelta(hours=2)
    job.save()
    RunLink.objects.get_or_create(run=run, job=job, defaults={"how": "comment", "evidence": "its comment names it"})
    seed.fresh_passes()


@pytest.mark.any_database
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_the_logs_break_no_wcag_rule(visit: Visit, path: str, scheme: str) -> None:
    odd_week()
    page = visit(path, color_scheme=scheme, viewport={"width": 1440, "height": 900})
    expect(page.locator("table.log tbody tr").first).to_be_visible()
    assert violations(page) == []


def test_the_log_is_narrowed_and_leads_to_the_flag_and_to_the_preemptions(visit: Visit) -> None:
    odd_week()
    page = visit("/discrepancies")
    page.get_by_label("Show").select_option("over")
    expect(page).to_have_url(re.compile("show=over"))
    expect(page.locator("table.log tbody tr")).to_have_count(1)
    page.get_by_label("Show").select_option("open")
    expect(page.locator("table.log")).to_contain_text("commented by mira")
    page.get_by_role("link", name="Preemption history").click()
    expect(page.locator("table.log")).to_contain_text("8801")
    expect(page.locator("table.log")).to_contain_text("not yet")


@pytest.mark.any_database
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_nothing_runs_out_of_the_logs(visit: Visit, path: str, width: int) -> None:
    odd_week()
    page = visit(path, viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
