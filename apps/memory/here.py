"""How an estimate fits on the GPUs that the clusters have, by what they call them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apps.memory.estimate import Estimate, Fit, fits, sizes_of
from apps.slurm.models import GpuKind


@dataclass(frozen=True, slots=True)
class Here:
    """One type of GPU on one cluster. ``fits`` has an entry for each size that the type is made in; often one.

    It is empty where neither the name nor our table tells how much memory the type has.
    """

    cluster: str
    name: str
    gpus: int
    nodes: int
    seen_at: datetime
    fits: tuple[Fit, ...]


def on_clusters(one: Estimate, kinds: Iterable[GpuKind]) -> list[Here]:
    """Return how the larger line of an estimate fits on each type of GPU of the clusters, in their order."""
    return [
        Here(
            kind.cluster,
            kind.name,
            kind.gpus,
            kind.nodes,
            kind.seen_at,
            tuple(fits(one, {kind.name: sizes_of(kind.name)})),
        )
        for kind in kinds
    ]
