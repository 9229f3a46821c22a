"""Doing several things at one moment, each in a thread and a database connection of its own."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connections


def together(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do all of these at one moment, each in a thread and a connection of its own; return results and refusals."""
    gate = threading.Barrier(len(acts))
    told: list[Any] = [None] * len(acts)

    def run(at: int) -> None:
        gate.wait()
        try:
            told[at] = acts[at]()
        except Exception as error:
            told[at] = error  # for the test to look at
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(acts))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return told
