"""How a child process with the official client answers: one file, written whole, and a quick end."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apps.core.errors import SweepboardError, Transient
from apps.sweeps.adapters.wandb_errors import translated


def reply_with(act: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Do ``act`` with the request that the first argument holds, leave ``reply.json``, and end the process.

    What the client raises is left as ``{"sentence": …, "transient": bool}``.
    """
    request = json.loads(sys.argv[1])
    try:
        reply = act(request)
    except SweepboardError as error:
        reply = {"sentence": str(error), "transient": isinstance(error, Transient)}
    except Exception as error:
        known = translated(error, request["base_url"], request["project"], os.environ["WANDB_API_KEY"][-4:])
        reply = {"sentence": str(known), "transient": isinstance(known, Transient)}
    written = Path("reply.part")
    written.write_text(json.dumps(reply))
    written.rename("reply.json")
    # The client's own clean-up at exit asks the server again; a dead one would cost minutes.
    os._exit(0)
