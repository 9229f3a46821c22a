"""Pages of sweeps and runs in a real browser: charts under the strict policy, tables by keys, read by everybody."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps.core.clock import utcnow
from apps.joblogs.models import LogFile
from apps.pages.services.importances import ask_for_importance, drive_importance
from apps.sweeps.models import Run
from tests.browser import seed
from tests.browser.conftest import Visit
from tests.browser.test_board_looks import violations
from tests.factories.pages import charted_sweep, whole_run

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("PICTURES", "")
CHARTS = ("curves", "best", "cost", "importance", "spread", "timeline", "parallel")


def picture(page: Page, name: str) -> None:
    """Keep a picture where PICTURES names a folder: for people who look."""
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=True)


@pytest.fixture
def filled(tmp_path: Path, redis_server: str) -> Run:
    """A run with everything, of a sweep with 30 more."""
    sweep = charted_sweep(30)
    seed.finished_pass("wandb", "team/glue")
    seed.finished_pass("slurm", "memory")
    held, _ = ask_for_importance(sweep=sweep, now=utcnow())
    drive_importance(importance_pk=held.pk, clock=utcnow)
    run = whole_run(tmp_path, sweep)
    held, _ = ask_for_importance(sweep=sweep, now=utcnow())
    drive_importance(importance_pk=held.pk, clock=utcnow)
    return run


def draw(page: Page, *names: str) -> None:
    """Come past charts, and wait until each is drawn."""
    for name in names:
        page.evaluate("name => document.getElementById(`chart-${name}`).scrollIntoView({block: 'center'})", name)
        expect(page.locator(f"#chart-{name} .main-svg").first).to_be_attached(timeout=20_000)


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")])
def test_pages_are_read_by_everybody_in_both_schemes_at_both_widths(
    visit: Visit, filled: Run, width: int, scheme: str
) -> None:
    page = visit(f"/sweeps/{filled.sweep_id}", viewport={"width": width, "height": 900}, color_scheme=scheme)
    draw(page, *CHARTS)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture(page, f"sweep-{width}-{scheme}")
    page.goto(f"/runs/{filled.pk}")
    draw(page, "states")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture(page, f"run-{width}-{scheme}")
    page.goto(f"/runs/{filled.pk}/logs/{LogFile.objects.get().pk}?q=out+of+memory")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture(page, f"log-{width}-{scheme}")
    runs = list(Run.objects.filter(sweep=filled.sweep_id).values_list("pk", flat=True)[:3])
    page.goto(f"/sweeps/{filled.sweep_id}/compare?{'&'.join(f'run={pk}' for pk in [*runs, filled.pk])}")
    draw(page, "curves")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture(page, f"compare-{width}-{scheme}")
