"""What a resolver may lean on while it answers one request."""

from dataclasses import dataclass, field

from apps.sandbox.wandb_server.store import Store


@dataclass(frozen=True)
class Options:
    """How this server was started; `crash_after` is in seconds, `api_key` None means any plausible key."""

    entity: str = "sandbox"
    crash_after: float = 300.0
    api_key: str | None = None
    allow_faults: bool = False


@dataclass(frozen=True)
class Context:
    """One request: the store, the clock in seconds, the origin that the client used, injected effects."""

    store: Store
    options: Options
    now: float
    base_url: str
    effects: frozenset[str] = field(default_factory=frozenset)
