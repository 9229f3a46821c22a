"""What the official client raises, in our two kinds of error, with a sentence for people."""

import re

from apps.core.errors import Permanent, SweepboardError, Transient


def translated(error: Exception, base_url: str, project: str, key_end: str) -> SweepboardError:
    """Turn what the client raised into one of our two kinds, with a sentence."""
    status, said = status_of(error), str(error).strip().splitlines()[0][:300] if str(error).strip() else ""
    server = base_url or "hosted W&B"
    where = f"project {project} at {server}" if project else server
    # The client calls every failure to check the key one of the key, that of a dead server too.
    refused = type(error).__name__ == "AuthenticationError" and not status and "giving up after" not in said
    if status in (401, 403) or refused:
        return Permanent(
            f"W&B refuses the key that ends in '{key_end}' for {where}: check WANDB_API_KEY and WANDB_BASE_URL."
        )
    if status == 404 or "could not find project" in said.lower():
        return Permanent(f"W&B does not know {where}: check `projects` in sweepboard.toml.")
    if status == 429:
        return Transient(f"W&B asks us to slow down ({where}).", retry_after=60)
    if status and 400 <= status < 500:
        return Permanent(f"W&B rejects the request for {where} (HTTP {status}): {said}")
    if status:
        return Transient(f"W&B fails with HTTP {status} for {where}.")
    return Transient(f"W&B does not answer as it should for {where}: {said or type(error).__name__}")


def status_of(error: BaseException | None) -> int:
    """Return the HTTP status that the client hides somewhere in its chain of exceptions; 0 if none."""
    while error is not None:
        response = getattr(error, "response", None)
        status = getattr(response, "http_status", 0) or getattr(response, "status_code", 0)
        if isinstance(status, int) and status:
            return status
        if found := re.search(r"\bHTTP (\d{3})\b|status(?: code)?:? (\d{3})\b", str(error)):
            return int(found[1] or found[2])
        error = getattr(error, "exc", None) or error.__cause__ or error.__context__
    return 0
