"""What every layer shares. Layers that talk to something bring their own services up."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest import Config, Item, TerminalReporter, TestReport

from tests.services import postgres, slurm
from tests.services.redis import running_redis


def pytest_configure(config: Config) -> None:
    """Nobody collected static files for the tests, so their names carry no hash.

    Set before any test: the storage is made once, by whichever test shows the first page.
    """
    from django.conf import settings

    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"


def _chromium() -> tuple[bool, str]:
    found = any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return found, "" if found else "No Chromium is installed."


_NEEDS = {
    "needs_slurm": slurm.available,
    "needs_chromium": _chromium,
    "needs_postgres": postgres.available,
    "needs_root": lambda: (os.geteuid() == 0, "A tiny filesystem is mounted by root only."),
    "needs_redis": lambda: (bool(shutil.which("redis-server")), "No redis-server is installed."),
}


def pytest_collection_modifyitems(config: Config, items: list[Item]) -> None:
    """Leave out what the machine cannot run, and name it; with CI=true a left-out test is a failure.

    Long files come first: begun last, one worker would run them while the others have nothing left.
    """
    items.sort(key=lambda item: item.get_closest_marker("starts_first") is None)
    for item in items:
        for marker, check in _NEEDS.items():
            if item.get_closest_marker(marker) is None:
                continue
            ok, sentence = check()
            if not ok and not os.environ.get("CI"):
                item.add_marker(pytest.mark.skip(reason=sentence))


def pytest_runtest_setup(item: Item) -> None:
    if os.environ.get("CI"):
        for marker, check in _NEEDS.items():
            if item.get_closest_marker(marker) is not None and not check()[0]:
                pytest.fail(f"left out with CI=true: {check()[1]}")


def pytest_runtest_logreport(report: TestReport) -> None:
    """Name each test that failed in the file that `tests/run.py` asks for; it looks at them a second time."""
    wanted = os.environ.get("TESTS_THAT_FAILED")
    if wanted and report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        with Path(wanted).open("a") as file:
            file.write(f"{report.nodeid}\n")


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Show what the recorded crashes were taken for, whenever they were read."""
    reports = (report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind))
    if any("test_crash_corpus.py" in report.nodeid for report in reports):
        from tests.factories.crashes import confusion_table

        terminalreporter.section("crash classes: expected (rows) against told (columns)")
        for line in confusion_table():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A database for each worker; for SQLite a file, so that threads and a server have connections of their own."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        path: Path = tmp_path_factory.mktemp("database") / "test.sqlite3"
        database.setdefault("TEST", {})["NAME"] = str(path)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for locks and messages: Redis where REDIS_URL names one, else the embedded Valkey.

    Each worker has its own: on one server they would hold each other's locks.
    """
    real = shutil.which("redis-server") if os.environ.get("REDIS_URL") else None
    with running_redis(real or "") as url:
        yield url


@pytest.fixture
def redis_server(redis_url: str, settings: object, request: pytest.FixtureRequest) -> str:
    """Point Sweepboard's locks at the test server, emptied."""
    import redis

    settings.REDIS_URL = redis_url  # type: ignore[attr-defined]  # pytest-django's settings take any name
    redis.Redis.from_url(redis_url).flushall()
    return redis_url


@pytest.fixture
def workspace_root(tmp_path: Path) -> Path:
    root = tmp_path / "workspace"
    for name in ("outputs", "logs", "wandb"):
        (root / name).mkdir(parents=True)
    return root
