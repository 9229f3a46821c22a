"""Locks with a lease, on a real server."""

import time

import pytest

from apps.core.errors import Transient
from apps.core.locks import Busy, lease, redis_client

pytestmark = pytest.mark.usefixtures("redis_server")


def test_a_second_holder_is_told_that_it_is_busy() -> None:
    with lease("one", seconds=5), pytest.raises(Busy, match="'one'"), lease("one", seconds=5):
        pass


def test_two_names_are_two_locks() -> None:
    with lease("one", seconds=5), lease("two", seconds=5):
        assert len(redis_client().keys("sweepboard:lock:*")) == 2


def test_a_lock_is_given_back_even_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), lease("one", seconds=5):
        raise ZeroDivisionError
    with lease("one", seconds=5):
        assert redis_client().exists("sweepboard:lock:one")
    assert not redis_client().exists("sweepboard:lock:one")


def test_a_dead_holders_lease_runs_out_and_is_not_taken_from_the_next_one() -> None:
    with lease("one", seconds=0.2, renew=False):
        time.sleep(0.3)
        with lease("one", seconds=5):
            second = redis_client().get("sweepboard:lock:one")
        with lease("one", seconds=5):
            assert redis_client().get("sweepboard:lock:one") != second
    # The first holder came back late and gave nothing away.


def test_a_late_holder_does_not_release_the_next_ones_lock() -> None:
    first = lease("one", seconds=0.2, renew=False)
    first.__enter__()
    time.sleep(0.3)
    with lease("one", seconds=5):
        first.__exit__(None, None, None)
        assert redis_client().exists("sweepboard:lock:one")


def test_a_long_pass_keeps_its_lease_and_gives_it_back() -> None:
    with lease("one", seconds=0.3):
        time.sleep(1)
        with pytest.raises(Busy), lease("one", seconds=5):
            pass
    assert not redis_client().exists("sweepboard:lock:one")


def test_a_waiting_holder_gets_the_lock_when_it_is_free() -> None:
    with lease("one", seconds=0.3, renew=False):
        started = time.monotonic()
        with lease("one", seconds=5, wait=3):
            assert time.monotonic() - started < 2


def test_a_server_that_does_not_answer_is_transient_and_soon(settings: object) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]
    started = time.monotonic()
    with pytest.raises(Transient, match="Redis does not answer"), lease("one", seconds=5):
        pass
    assert time.monotonic() - started < 3
