"""A real browser: the system's Chromium, and a board in it that is watched for complaints."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page
from pytest_django.live_server_helper import LiveServer

# Playwright's own loop makes Django believe that it runs asynchronously.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

# Runs in every page: a violation of the Content-Security-Policy becomes an error on the console.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} blocked ${event.blockedURI} ${event.sample}`));
"""


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    binary = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    return {"executable_path": binary, "args": [*arguments, "--no-first-run", "--disable-sync"]}


class Complaints(list[str]):
    """What browsers wrote on their consoles that nobody expected."""

    def __init__(self) -> None:
        super().__init__()
        self.expected: list[str] = []

    def expect(self, text: str) -> None:
        """Say that a message with ``text`` in it belongs to the test."""
        self.expected.append(text)

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.append(f"exception: {error}"))
        page.on("console", self._console)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    @property
    def unexpected(self) -> list[str]:
        return [one for one in self if not any(text in one for text in self.expected)]


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Fails a test in whose pages anything was complained about: scripts, loading, the security policy."""
    found = Complaints()
    yield found
    assert found.unexpected == []


Visit = Callable[..., Page]


@pytest.fixture
def visit(live_server: LiveServer, browser: Browser, client: Any, complaints: Complaints) -> Iterator[Visit]:
    """Open a path as a person (``who`` is a role; empty is nobody) in a browser window of its own."""
    from django.contrib.auth.models import User

    from tests.browser import seed

    seed.people()
    contexts = []

    def visiting(path: str = "/", who: str = "operator", **options: Any) -> Page:
        context = browser.new_context(base_url=live_server.url, **{"reduced_motion": "reduce", **options})
        contexts.append(context)
        context.set_default_timeout(8000)
        context.add_init_script(REPORT_VIOLATIONS)
        if who:
            client.force_login(User.objects.get(username=who), "django.contrib.auth.backends.ModelBackend")
            context.add_cookies(
                [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
            )
        page = context.new_page()
        complaints.watch(page)
        page.goto(path)
        return page

    yield visiting
    for context in contexts:
        context.close()
