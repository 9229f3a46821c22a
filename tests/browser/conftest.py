"""A real browser: the system's Chromium."""

import os
import shutil
from typing import Any

import pytest

# Playwright's own loop makes Django believe that it runs asynchronously.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    binary = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    return {"executable_path": binary, "args": [*arguments, "--no-first-run", "--disable-sync"]}
