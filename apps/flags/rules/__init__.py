"""The red flags. Importing this package registers every rule."""

from apps.flags.rules import (  # noqa: F401 - imported for their registrations
    checkpoints,
    completion,
    cross_reference,
    health,
    links,
    offline,
    reproducibility,
    sweeps,
)
