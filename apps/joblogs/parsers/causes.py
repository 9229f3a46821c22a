"""Lines in which an error is raised, by crash class.

Sources of the wordings: torch 1.13 to 2.13, transformers 5, Lightning 2.6, Hydra 1.3 with OmegaConf 2.3, Slurm 22.05 to
25.11; `tests/recorded/crashes` holds a sample of each.
"""

import re

# Whoever quotes Slurm in a help text writes a quotation mark before it.
_SLURM = r"(?<!['\"`])(?:slurmstepd|srun|local)(?:-[\w.-]{1,60})?: error: "
_ENDED = rf"{_SLURM}.{{0,100}}CANCELLED AT .{{0,60}} DUE TO "
# The name of an exception at the beginning of a line, as Python prints it below a traceback.
_RAISED = r"^(?:[a-zA-Z_][\w.]{0,200})?(?:Error|Exception)"
# What a program logs in words of its own: ``[2026-11-24 10:00:00,000][train][ERROR] - `` or ``Run x errored: ``.
_TOLD = r"^(?:.{0,120}\b(?:ERROR|CRITICAL|FATAL)\b.{0,60}|.{0,80} errored: .{0,60})"
_NOT_FINITE = r"(?:\b[Nn][Aa][Nn]s?\b|\b[Ii]nf(?:inite|inity)?\b|[Nn]on-?finite|not finite|diverg|explod)"

_EXCEPTIONS = {
    "config-error": r"MissingMandatoryValue|Config[A-Z]\w{1,20}Error|Interpolation\w{1,40}Error|GrammarParseError"
    r"|UnsupportedInterpolationType|ReadonlyConfigError",
    "missing-dependency": r"ModuleNotFoundError|ImportError|importlib\.metadata\.PackageNotFoundError"
    r"|pkg_resources\.DistributionNotFound",
    "data-error": r"FileNotFoundError|NotADirectoryError|IsADirectoryError|PermissionError|zipfile\.BadZipFile"
    r"|(?:PIL\.)?UnidentifiedImageError|pyarrow\.lib\.Arrow\w{1,30}|datasets\.\w{1,40}\.(?:Data|NonM)\w{1,60}Error",
}

# In the order in which one cause hides another; the class names are those of the crash classes. Every repetition in
# the middle of a pattern is bounded: an unbounded one makes a hostile line cost its length squared.
_PATTERNS: dict[str, tuple[str, ...]] = {
    "preemption": (rf"{_ENDED}PREEMPTION",),
    "time-limit": (rf"{_ENDED}TIME LIMIT",),
    "node-failure": (rf"{_ENDED}NODE FAILURE", r"^srun: error: Node failure on "),
    # Not the bare words: a traceback shows the source line that raises them, and help texts quote them.
    "cuda-oom": (
        r"^\S{0,60}OutOfMemoryError(?:: |$)",
        rf"(?:{_RAISED}: |^|{_TOLD})(?:CUDA|HIP) out of memory\. Tried to allocate",
        rf"{_RAISED}: (?:CUDA error: (?:out of memory|CUBLAS_STATUS_ALLOC_FAILED)|RESOURCE_EXHAUSTED: )",
        r"^\S{0,80}ResourceExhaustedError: .{0,60}OOM when allocating",
    ),
    "host-oom": (
        rf"{_SLURM}Detected \d{{1,6}} oom[_-]kill event",
        rf"{_SLURM}.{{0,80}}exceeded memory limit .{{0,80}} being killed",
        rf"{_SLURM}Exceeded (?:job|step) memory limit",
        r"^(?:slurmstepd|srun): error: .{0,200}Out Of Memory",
        r"^\S{0,60}MemoryError(?:: |$)",
        rf"{_RAISED}: .{{0,120}}(?:can't|not enough|Cannot) allocate memory",
        rf"{_RAISED}: .{{0,80}}DefaultCPUAllocator: (?:can't|not enough)",
    ),
    "config-error": (
        r"^(?:[\w.]{1,80}: )?Key '[^']{0,200}' (?:is not in struct|not in ')",
        rf"^(?:omegaconf\.errors\.)?(?:{_EXCEPTIONS['config-error']}): |^omegaconf\.errors\.\w{{1,40}}: ",
        r"^hydra\.errors\.(?!Instantiation)\w{1,40}: ",
        r"^(?:(?:hydra\.errors\.)?InstantiationException: )?Error locating target '",
        r"^(?:MissingConfig|OverrideParse|ConfigComposition|(?:Lexer)?NoViableAlt|InputMismatch)Exception: ",
        r"^Cannot find primary config '|^In '[^']{1,200}': Could not find '",
        r"^Could not (?:override|append to config|find)\b|^Error parsing override '|^Error merging (?:override|')",
        r"^Multiple values for |^Interpolation key '|^Value '.{0,200}' of type '\w{1,40}' could not be converted to ",
        r"^See https://hydra\.cc/docs/\S{0,40}override_grammar",
        r"^yaml\.(?:scanner|parser)\.\w{1,20}Error(?::|$)|^[\w./-]{1,120}\.py: error: ",
    ),
    "missing-dependency": (
        rf"^(?:{_EXCEPTIONS['missing-dependency']}): ",
        r"^OSError: \S{1,120}\.so[\d.]{0,20}: cannot open shared object file",
        r": error while loading shared libraries: ",
        rf"{_RAISED}: (?:Failed to import |CUDA Setup failed)|^\s{{0,8}}CUDA Setup failed despite",
        r"^\S{1,200}python[\d.]{0,6}: No module named |(?:: |^)line \d{1,6}: \S{1,200}: command not found",
    ),
    "data-error": (
        rf"^(?:{_EXCEPTIONS['data-error']}): ",
        rf"{_RAISED}: DataLoader worker \(pid\(?s?\)? .{{0,200}} (?:killed|exited)",
        rf"{_RAISED}: Caught \w{{1,60}} in DataLoader worker",
        rf"{_RAISED}: \[Errno (?:5|28|116|122)\] ",
        rf"{_RAISED}: .{{0,200}}(?:No space left on device|Disk quota exceeded)",
        rf"{_RAISED}: (?:.{{0,120}}unexpected pos \d|(?:basic_ios::clear: )?iostream error)",
        rf"{_RAISED}: .{{0,120}}PytorchStream(?:Reader|Writer) failed",
        rf"{_RAISED}: .{{0,20}}unable to (?:write to file|open shared memory)",
        r"python[\d.]{0,6}: can't open file '|^ERROR: Unexpected bus error encountered in worker",
    ),
    "diverged": (
        rf"{_RAISED}: .{{0,160}}(?:[Ll]oss|[Gg]rad|output).{{0,60}}{_NOT_FINITE}",
        rf"{_RAISED}: .{{0,60}}{_NOT_FINITE}.{{0,40}}(?:[Ll]oss|[Gg]rad)",
        rf"{_RAISED}: Function '\w{{1,80}}' returned nan",
        rf"{_RAISED}: (?:Minimum loss scale reached|Current loss scale already at minimum)",
        r"Monitored metric \S{1,120} = \S{1,20} is not finite\.",
        r"^\s{0,8}[Ll]oss is (?:nan|NaN|inf|-inf), stopping training",
    ),
    "nccl-timeout": (r"Watchdog caught collective operation timeout",),
    # The client's own complaints at exit are not why training ended, nor is a server of W&B that does not answer.
    "python-error": (
        rf"^(?!wandb\.)(?!.{{0,400}}api\.wandb\.ai){_RAISED[1:]}(?:: |:?\s{{0,4}}$)",
        r"^Fatal Python error: |^Error in call to target '",
    ),
}
CAUSES: list[tuple[str, re.Pattern[str]]] = [
    (slug, re.compile("|".join(patterns))) for slug, patterns in _PATTERNS.items()
]
_SIGNS = re.compile(
    "CANCELLED AT|Node failure|Key '"
    "|Error|Exception|rror: |ut of memory|Out Of Memory|oom_kill|memory limit|in struct|Missing|ConfigAttr"
    "|DataLoader worker|Watchdog|not find|primary config|Multiple values|Interpolation|Value '|omegaconf|hydra"
    "|NotFound|shared libraries|No module named|command not found|BadZip|pyarrow|datasets|can't open|Error locating"
    "|override_grammar|Error in call|CUDA Setup|not finite|stopping training|Could not|errored"
)
_CLOSES = re.compile(rf"{_ENDED}(?:PREEMPTION|NODE FAILURE|JOB REQUEUE)")
# ``worker-1: `` and ``n1: `` are what pdsh and DeepSpeed put before each line; a rank's own mark was taken off before.
_HOST = re.compile(r"^(?=[\w.-]{0,40}\d)[A-Za-z][\w.-]{0,40}: (?=\S)")
_AGENT = "wandb: ERROR "
_HINTS = (
    (re.compile(r"No space left|Errno 28|unexpected pos|iostream error|file write failed|StorageFull"), "disk full"),
    (re.compile(r"Errno 122|quota exceeded"), "disk quota used up"),
    (re.compile(r"[Bb]us error|shared memory"), "shared memory (/dev/shm) too small"),
)


def cause_in(line: str) -> str | None:
    """Return the crash class that a line is evidence of.

    Only lines of the shapes in which these errors are raised count: the bare words occur in healthy
    logs, in help texts and in errors that were caught.
    """
    if not _SIGNS.search(line):
        return None
    bare = _bare(line)
    return next((slug for slug, pattern in CAUSES if pattern.search(line) or (bare and pattern.search(bare))), None)


def _bare(line: str) -> str:
    """The line without a host's name or the W&B agent's mark before it; empty where it has neither."""
    if line.startswith(_AGENT):
        return line[len(_AGENT) :]
    found = _HOST.match(line)
    return line[found.end() :] if found else ""


def hint_in(text: str) -> str:
    """Return in a few words what else a line of evidence tells, such as ``disk full``; mostly nothing.

    torch.save on a full disk never says so: it says 'iostream error' and 'unexpected pos'.
    """
    return next((hint for pattern, hint in _HINTS if pattern.search(text)), "")


def closes_start(line: str) -> bool:
    """Tell whether Slurm says here that it takes the job away and will start it again.

    Source: slurmstepd's ``*** JOB 12 ON n1 CANCELLED AT … DUE TO PREEMPTION ***``.
    """
    return "CANCELLED AT" in line and _CLOSES.search(line) is not None
