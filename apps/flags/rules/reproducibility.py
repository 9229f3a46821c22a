"""Whether a run can be made again. Pure."""

from apps.core.units import count
from apps.flags.domain import Finding, RunFacts, Severity
from apps.flags.reading import FRAMEWORKS
from apps.flags.rules.registry import run_rule

LONG_ENOUGH_SECONDS = 1800.0  # shorter runs tell nothing of their memory yet


@run_rule("missing-seed", Severity.NOTE, needs=("wandb",), example="The config names no seed for PyTorch, CUDA.")
def missing_seed(facts: RunFacts) -> Finding | None:
    """The config names no random seed, or not one for every framework.

    Practice: 'Reproducibility: seeds', always log random seeds to W&B, for PyTorch, NumPy, Python and CUDA.
    A seed that names no framework counts for all of them. Without any seed it is a warning.
    """
    seeded = facts.config.seeded
    if facts.config.empty or "any" in seeded or seeded >= set(FRAMEWORKS):
        return None
    missing = [name for name in FRAMEWORKS if name not in seeded]
    if not seeded:
        return Finding("The config names no random seed.", "log the seeds to W&B's config", Severity.WARNING)
    return Finding(f"The config names no seed for {', '.join(missing)}.", "log these seeds to W&B's config too")


@run_rule("missing-versions", Severity.NOTE, needs=("wandb",), example="The config names no package versions.")
def missing_versions(facts: RunFacts) -> Finding | None:
    """The config names no package version.

    Practice: 'Reproducibility: seeds', log package versions in the config.
    Versions of the software count (torch, Python, CUDA, a list of requirements), those of data and models do not.
    """
    if facts.config.empty or facts.config.has_versions:
        return None
    return Finding("The config names no package versions.", "log them, for example under `versions`")


@run_rule(
    "incomplete-config",
    Severity.WARNING,
    needs=("wandb",),
    example="The config lacks 2 parameters of its sweep: lr, wd.",
)
def incomplete_config(facts: RunFacts) -> Finding | None:
    """The config in W&B is empty, or lacks parameters of its sweep.

    Practice: 'Reproducibility: seeds', store the full config in W&B.
    A run that has logged nothing yet may still get its config.
    """
    if not facts.logged_anything:
        return None
    if facts.config.empty:
        return Finding("W&B holds no config of this run.", "pass the config to wandb.init")
    missing = facts.config.missing_parameters
    if not missing:
        return None
    return Finding(
        f"The config lacks {count(len(missing), 'parameter')} of its sweep: {', '.join(missing[:5])}.",
        "pass what the sweep sets to the run's config",
    )


@run_rule("config-drift", Severity.WARNING, needs=("wandb",), example="lr: 99 on W&B, the sweep's space has 0.1, 0.2")
def config_drift(facts: RunFacts) -> Finding | None:
    """The config on disk is another one than W&B's, or a value lies outside the sweep's space.

    Practice: 'Checkpoint verification before a resume', the config matches: compare `config.yaml` with the intended.
    What a resume changed on purpose is no drift, and quantised and normal distributions have no bounds.
    """
    drift = facts.config.drift
    if not drift:
        return None
    return Finding("\n".join(drift), "find out which config trained before you resume or compare")


@run_rule("no-gpu-memory-logged", Severity.NOTE, needs=("wandb", "slurm"), example="No GPU memory is logged.")
def no_gpu_memory_logged(facts: RunFacts) -> Finding | None:
    """A run on GPUs tells nobody how much of their memory it takes.

    Practice: 'OOM prevention and recovery', log torch.cuda.max_memory_allocated() to W&B.
    Only after half an hour on a GPU.
    """
    on_gpus = facts.job is not None and facts.job.gpus > 0
    long = facts.runtime_seconds is not None and facts.runtime_seconds >= LONG_ENOUGH_SECONDS
    if facts.gpu_memory_logged or not on_gpus or not long:
        return None
    return Finding("No GPU memory is logged.", "log torch.cuda.max_memory_allocated() to W&B")
