"""The in-memory W&B and scheduler, under dotted paths that settings can name."""

from apps.slurm.adapters.memory import MemoryScheduler
from apps.sweeps.adapters.memory import MemoryProject, MemorySource
from apps.sweeps.adapters.memory_closer import MemoryCloser
from tests.factories.moments import NOW


class World:
    """What W&B and Slurm hold in one test; ``reset`` empties both."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.projects: dict[str, MemoryProject] = {"team/glue": MemoryProject()}
        self.scheduler = MemoryScheduler(now=NOW)

    @property
    def glue(self) -> MemoryProject:
        return self.projects["team/glue"]


WORLD = World()


def source(*, base_url: str, api_key: str, timeout: int) -> MemorySource:
    """Stand where settings name the real client's adapter."""
    return MemorySource(WORLD.projects, base_url=base_url, api_key=api_key, timeout=timeout, valid_key="key")


def scheduler(**options: object) -> MemoryScheduler:
    """Stand where settings name the local scheduler."""
    return WORLD.scheduler


class Recorded(MemoryScheduler):
    """Stands where settings name an adapter for one of several clusters, and remembers what it was made with."""

    def __init__(self, **options: object) -> None:
        self.options = options
        super().__init__(name=str(options.get("cluster", "memory")))


def closer(*, base_url: str, api_key: str) -> MemoryCloser:
    """Stand where settings name the real client's closer."""
    return MemoryCloser(WORLD.projects)
