"""Finding the few lines that matter among the many that do not, and making them plain. Pure."""

import re

# A line without any of these says nothing to any parser. Literals only: a search for them costs about 20 ns a byte.
# Each further letter with which one begins makes it dearer, small letters most: hence words without their head.
_WORDS = (
    "Epoch", "epoch", "EPOCH", "%|", "it/s", "s/it", "samples/s", "examples/s", "Trainer.fit",
    "Run: ", "Run:\t", "Run data is saved", "Sweep ID", "sweep with ID",
    "CANCELLED AT", "Error", "error: ", "Exception", "exception", "CUDA ", "Out Of Memory", "oom_kill", "memory limit",
    "Key '", "MissingMandatoryValue", "DataLoader worker", "Watchdog caught", "HIP out", "Traceback (most",
    "not find ", "Cannot find", "Multiple values", "Interpolation", "Value '", "omegaconf.", "override_grammar",
    "NotFound: ", "shared librar", "No module named", "ommand not found", "BadZipFile", ".Arrow", "n't open file",
    "not finite", "stopping training", "Could not ", "errored: ", "Killed", "KeyboardInterrupt", "Root Cause",
    "exitcode: ", "Terminated", "etrying", "ing batch size", "ing the ", "ing again", "ing back", "ipping ", "noring",
)  # fmt: skip
WANTED = re.compile("|".join(re.escape(word) for word in _WORDS).encode())

# A line that is nothing but one frame of a plain bar, with its rate known.
_FRAME = re.compile(
    rb"(?P<label>[^%|\x1b]{0,80}?)\s{0,4}(?P<percent>\d{1,3})%\|[^|\[\x1b]{0,300}\|\s{0,3}"
    rb"[\d.kMGT]{1,20}/(?P<total>[\d.kMGT]{1,20}) \[(?P<said>[^\[\]?]{1,300})\]\s{0,8}"
)
LONGEST_FRAME = 800

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]{0,20}[A-Za-z]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)?|[()][0-9A-B])")
_RANK = re.compile(r"^\s{0,8}(?:\[(?:default|rank|local)? ?\d{1,6}\][: ]? ?|\d{1,6}: )")
_FATAL = re.compile(rb"\s{0,8}\[rank\d{1,6}\]: ")
_UP = "\x1b[A"  # an inner bar moves the cursor back up to the bar above it


def clean(line: bytes) -> str:
    """Return a line as text without colours, without inner bars and without the rank before it.

    Bytes that are no UTF-8 become the replacement character. Of a line that moves the cursor up only what comes
    after it is kept: before it stands a bar inside another one, such as an evaluation's. A rank is what
    ``srun --label`` (``0: ``) and torchrun (``[rank0]: ``, ``[default0]:``) put before each line.
    """
    text = line.decode("utf-8", errors="replace").replace("\x00", "")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text.rpartition(_UP)[2])
    return _RANK.sub("", text, count=1)


def is_fatal(line: bytes) -> bool:
    """Tell whether torch's own hook for exceptions that nobody caught printed the line: ``[rank1]: ``, since torch 2.2.

    Other ranks may print progress after it; that rank is dead.
    """
    return _FATAL.match(line) is not None


def frame_in(data: bytes, start: int, stop: int) -> re.Match[bytes] | None:
    """Return the frame that ``data[start:stop]`` is; None where it is anything else."""
    return _FRAME.fullmatch(data, start, stop) if stop - start <= LONGEST_FRAME else None


def redraws(new: re.Match[bytes], old: re.Match[bytes]) -> bool:
    """Tell whether a frame says everything that the frame before it said, only newer.

    The first and the last frame of a bar are always worth reading: they tell where it began again.
    """
    same = new["label"] == old["label"] and new["total"] == old["total"]
    inner = old["percent"] not in (b"0", b"100") and int(old["percent"]) <= int(new["percent"])
    return same and inner and new["said"].count(b"=") == old["said"].count(b"=")
