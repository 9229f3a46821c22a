"""How soon a sweep's page with its charts can be used in a real browser, and when its charts are drawn."""

import os
import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.sweep_page import fill, made_sweep

CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
ON_SCREEN = ("curves", "best", "cost", "spread")
TIMES = 5


def measure(*, smoke: bool) -> Iterator[tuple[str, str]]:
    if CHROMIUM is None:
        yield "left out: needs chromium", "not measured"
        return
    # Playwright's own loop makes Django believe that it runs asynchronously.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    runs = 30 if smoke else 1000
    sweep = made_sweep("drawn")
    fill(sweep, 0, runs)
    with _server() as url, _page(url) as page:
        found = [_visit(page, f"{url}/sweeps/{sweep.pk}") for _ in range(2 if smoke else TIMES)]
    text, pressed, drawn = (statistics.median(column) for column in zip(*found, strict=True))
    yield f"until the text of {runs} runs' page is there, seconds", f"{text:.2f}"
    yield "until a press on a link in it is answered, seconds", f"{pressed:.2f}"
    yield f"until {len(ON_SCREEN)} charts are drawn, seconds", f"{drawn:.2f}"


def _visit(page: Any, address: str) -> tuple[float, float, float]:
    """Return the seconds from asking for the page, with a warm cache, until each of three things."""
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator("#runs-title").wait_for()
    text = time.perf_counter() - began
    page.locator("details.columns summary").click()
    page.locator("details.columns[open]").wait_for()
    pressed = time.perf_counter() - began
    for name in ON_SCREEN:  # those that are not on the screen wait until somebody comes past
        page.evaluate("name => document.getElementById(`chart-${name}`).scrollIntoView({block: 'center'})", name)
        page.locator(f"#chart-{name} .main-svg").first.wait_for(state="attached")
    return text, pressed, time.perf_counter() - began


@contextmanager
def _server() -> Iterator[str]:
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()


@contextmanager
def _page(url: str) -> Iterator[Any]:
    from django.contrib.auth.models import User
    from django.test import Client
    from playwright.sync_api import sync_playwright

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_superuser("bench-looker"), "django.contrib.auth.backends.ModelBackend")
    session = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies([session])  # type: ignore[list-item]  # a cookie
        page = context.new_page()
        page.goto(f"{url}/")  # warm: plotly.js and styles come from the cache afterwards, as for a team at work
        yield page
        browser.close()
