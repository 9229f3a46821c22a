"""A local server that speaks enough of W&B's protocol for the real client to work against it.

It needs no account and no network: `python -m apps.sandbox.wandb_server --db sandbox.sqlite3`.
The schema holds only what the client asks for, so that a wrong query fails here as it would fail there.
"""
