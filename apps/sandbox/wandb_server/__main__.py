"""Run the sandbox's W&B server by itself: `python -m apps.sandbox.wandb_server --db sandbox.sqlite3`."""

import argparse
import gc
import signal
import sys
import threading
from pathlib import Path

from apps.sandbox.wandb_server.context import Options
from apps.sandbox.wandb_server.http import SandboxServer
from apps.sandbox.wandb_server.store import Store


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="wandb_server", description=__doc__)
    parser.add_argument("--db", type=Path, required=True, help="SQLite file; created when missing")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="file to write the port to once the server listens")
    parser.add_argument("--entity", default="sandbox", help="the viewer's entity")
    parser.add_argument("--api-key", help="the only key to accept; default: any of at least 40 characters")
    parser.add_argument("--crash-after", type=float, default=300.0, help="seconds of silence until crashed")
    parser.add_argument("--allow-faults", action="store_true", help="serve /_faults, /_requests and /_seed")
    return parser.parse_args(given)


def main() -> None:
    """Serve until SIGTERM or SIGINT, then close the store."""
    given = arguments()
    # A page of runs makes many short-lived objects; scanning all others for each page would double its time.
    gc.set_threshold(100_000, 50, 50)
    store = Store(given.db)
    options = Options(given.entity, given.crash_after, given.api_key, given.allow_faults)
    server = SandboxServer(("127.0.0.1", given.port), store, options)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    if given.port_file:
        given.port_file.write_text(str(server.server_address[1]))
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    stop.wait()
    server.shutdown()
    server.server_close()
    store.close()


if __name__ == "__main__":
    main()
