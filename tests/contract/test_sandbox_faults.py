"""The faults that tests switch on: what the real client makes of each, and that they end."""

import time
from collections.abc import Iterator

import pytest

from tests.services.sandbox import SandboxServer, running_sandbox

READ = "len(list(api.runs('sandbox/few', per_page=2, lazy=False)))"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with running_sandbox(tmp_path_factory.mktemp("faults")) as running:
        running.seed(project="few", runs=4)
        yield running


@pytest.fixture
def sandbox(server: SandboxServer) -> Iterator[SandboxServer]:
    yield server
    server.clear_faults()
    server.reset_requests()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_injected_status_reaches_the_caller(sandbox: SandboxServer, status: int) -> None:
    sandbox.fault("status", status=status, match="Runs", retry_after=0.1)
    # After its retries the client keeps the status in the message only: its `http_status` is then 0.
    with pytest.raises(RuntimeError, match=rf"WandbApiFailedError.*HTTP {status}"):
        sandbox.ask(READ)


@pytest.mark.parametrize("kind", ["drop", "malformed", "html"])
def test_a_broken_answer_is_an_error_and_no_hang(sandbox: SandboxServer, kind: str) -> None:
    sandbox.fault(kind, match="Runs")
    started = time.monotonic()
    with pytest.raises(RuntimeError, match="WandbApiFailedError"):
        sandbox.ask(READ)
    assert time.monotonic() - started < 20


def test_a_fault_with_a_count_ends_by_itself_and_the_client_retries(sandbox: SandboxServer) -> None:
    sandbox.fault("status", status=500, match="Runs", count=1)
    assert sandbox.ask(READ) == 4
    assert sandbox.requests()["Runs"] == 3


def test_a_slow_answer_is_late_but_whole(sandbox: SandboxServer) -> None:
    sandbox.fault("slow", seconds=1.5, match="Runs", count=1)
    started = time.monotonic()
    assert sandbox.ask(READ) == 4
    assert time.monotonic() - started > 1.5


def test_an_empty_page_says_that_more_follows(sandbox: SandboxServer) -> None:
    sandbox.fault("empty_page", match="Runs", count=1)
    assert sandbox.ask(READ) == 4


def test_a_run_comes_twice(sandbox: SandboxServer) -> None:
    sandbox.fault("duplicate_runs", match="Runs", count=1)
    assert sandbox.ask(READ) == 5


def test_clearing_ends_every_fault(sandbox: SandboxServer) -> None:
    sandbox.fault("status", status=500)
    sandbox.clear_faults()
    assert sandbox.ask(READ) == 4


def test_an_unknown_fault_is_refused(sandbox: SandboxServer) -> None:
    with pytest.raises(RuntimeError, match="400"):
        sandbox.fault("earthquake")
