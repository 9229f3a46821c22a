"""What a line of a job log says. Pure; each module knows one kind of line and registers it once.

The order of the imports is the order of the parsers: what an earlier one reads, a later one does not change.
"""

from apps.joblogs.parsers import python_dict, lightning, bars, plain  # noqa: F401, I001 - the order is the parsers'
from apps.joblogs.parsers.base import MAX_LINE, PARSERS, LineProgress, Place, parser, progress_in
from apps.joblogs.parsers.causes import CAUSES, cause_in, closes_start, hint_in
from apps.joblogs.parsers.effects import SIGNS, Context, Sign, context_in, follows_a_signal, says_caught, sign_in
from apps.joblogs.parsers.lines import WANTED, clean, frame_in, is_fatal, redraws
from apps.joblogs.parsers.named import run_in, sweep_in

__all__ = [
    "CAUSES",
    "MAX_LINE",
    "PARSERS",
    "SIGNS",
    "WANTED",
    "Context",
    "LineProgress",
    "Place",
    "Sign",
    "cause_in",
    "clean",
    "closes_start",
    "context_in",
    "follows_a_signal",
    "frame_in",
    "hint_in",
    "is_fatal",
    "parser",
    "progress_in",
    "redraws",
    "run_in",
    "says_caught",
    "sign_in",
    "sweep_in",
]
