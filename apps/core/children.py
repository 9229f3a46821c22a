"""What child processes of ours have in common."""

import ctypes
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def ends_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Return a ``preexec_fn`` that asks Linux to send ``number`` to the child when its parent is killed.

    Elsewhere None: there a killed parent leaves its children behind.
    """
    if sys.platform != "linux":
        return None
    return lambda: _ask(number)


def _ask(number: signal.Signals) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
