"""What a job says of itself. Pure."""

import re

RUN_COMMENT = "sweepboard:run="
_RUN_IN_COMMENT = re.compile(r"sweepboard:run=([A-Za-z0-9_-]{1,200})")


def comment_for_run(run_id: str) -> str:
    """Return the comment that Sweepboard writes on every job that it submits for a run."""
    return f"{RUN_COMMENT}{run_id}"


def run_named_in(comment: str) -> str:
    """Return the W&B run that a job's comment names; empty where it names none."""
    found = _RUN_IN_COMMENT.search(comment)
    return found[1] if found else ""
