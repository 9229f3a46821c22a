"""The page docs/crash-classes.md, made from the classes themselves. Pure."""

from apps.joblogs.endings import BY_STATE, RESUMABLE, Resume

# For each class: what shows it, what to do, and a line of a log that does show it.
_TOLD: dict[str, tuple[str, str, str]] = {
    "preemption": (
        "Slurm's line; W&B's `preempted`",
        "resume to the same run id, where there is a checkpoint",
        "slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2026-11-24T10:00:00 DUE TO PREEMPTION ***",
    ),
    "time-limit": (
        "Slurm's line",
        "resume, with a longer limit",
        "slurmstepd: error: *** JOB 12 ON n1 CANCELLED AT 2026-11-24T10:00:00 DUE TO TIME LIMIT ***",
    ),
    "cuda-oom": (
        "the error of torch 1 or 2, raised and not caught",
        "take a step of the memory ladder, batch size first, then resume",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    ),
    "host-oom": (
        "Slurm's line, an allocation on the host that failed; 'Killed' only beside one of these",
        "raise the job's memory, then resume",
        "slurmstepd: error: Detected 1 oom_kill event in StepId=12.batch. Some of the step tasks have been OOM Killed.",
    ),
    "config-error": (
        "an error of Hydra, OmegaConf, YAML or the command line",
        "fix the config",
        "omegaconf.errors.ConfigAttributeError: Key 'lrr' is not in struct",
    ),
    "missing-dependency": (
        "a module, a program or a shared library that is not there",
        "fix the environment",
        "ModuleNotFoundError: No module named 'einops'",
    ),
    "data-error": (
        "a file, a disk or a DataLoader worker that failed; on a full disk torch.save says 'iostream error'",
        "look at the path, the disk or /dev/shm, then resume",
        "FileNotFoundError: [Errno 2] No such file or directory: '/data/train'",
    ),
    "diverged": (
        "a loss that is no number at the end, or an error that says so; also where the job exits with 0",
        "look at the curve: an earlier checkpoint and a lower learning rate",
        "Monitored metric train_loss = nan is not finite. Previous best value was 0.312. Signaling Trainer to stop.",
    ),
    "nccl-timeout": (
        "a watchdog's line where no other rank died before it",
        "resume with `NCCL_TIMEOUT=1800` and `NCCL_DEBUG=INFO`",
        "[Rank 2] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=5122, OpType=ALLREDUCE)",
    ),
    "node-failure": (
        "Slurm's line",
        "resume and exclude the node",
        "slurmstepd: error: *** JOB 12 ON n3 CANCELLED AT 2026-11-24T10:00:00 DUE TO NODE FAILURE ***",
    ),
    "python-error": (
        "any other traceback that nobody caught",
        "read it",
        "ValueError: too many values to unpack (expected 2)",
    ),
    "unknown": ("it failed, or the logs cannot be read, and nothing says why", "look at the job", ""),
    "none": ("nothing says that it failed", "nothing", ""),
}
_HEAD = """# Crash classes

`manage.py classify_logs --classes` prints this page; a test keeps it as the code is.

Why a job died is decided by one pure function, `apps/joblogs/crashes.py`, for the board and the command line.
It reads in this order: the job's stderr, Slurm's accounting, the W&B state, the log's last lines, the checkpoints.

- The first cause on the last attempt counts, not the last error. torchrun's table, ranks that are told to end, NCCL's
  watchdogs after another rank's death, `CalledProcessError` and 'Killed' are effects.
- An error after which training went on in the same file, or which is told with what is done about it, was caught.
  A progress bar is drawn once more when its process dies: one frame more is no progress.
- An error before Slurm's own word, after which nothing went on, is the cause: the job only hung until then.
- 'yes' needs that nothing contradicts it: where there is no checkpoint, the loss was no number, another line tells of
  an error, or a part of a log was not read, it is 'look-first'. Without evidence it is 'look-first', too.

| class | resumable | accounting | shown by | what to do |
|---|---|---|---|---|
"""


def example_of(slug: str) -> str:
    """Return a line of a log that shows a class; empty for those that no line shows."""
    return _TOLD[slug][2]


def page() -> str:
    """Return the page as Markdown."""
    rows = [_row(slug, resume) for slug, resume in RESUMABLE.items()]
    lines = [f"| `{slug}` | `{_TOLD[slug][2]}` |" for slug in RESUMABLE if _TOLD[slug][2]]
    return _HEAD + "\n".join([*rows, "", "A line that shows it:", "", "| class | line |", "|---|---|", *lines, ""])


def _row(slug: str, resume: Resume) -> str:
    states = ", ".join(f"`{state}`" for state, of in BY_STATE.items() if of == slug) or "—"
    shown, action, _ = _TOLD[slug]
    return f"| `{slug}` | {resume.value} | {states} | {shown} | {action} |"
