"""What proving a checkpoint costs: by the byte beside `cat` and beside torch's own loading, and in memory."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

MIB = 1 << 20
# Memory by the high-water mark of this program alone: rusage would tell that of the process it was forked from.
_PROVE = (
    "import sys; from pathlib import Path; from apps.checkpoints.proof.look import prove; "
    "one = prove(Path(sys.argv[1])); assert one.sound == 'pass', one; "
    "told = Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]; print(one.seconds, told)"
)
_LOAD = (
    "import sys,time,torch; began = time.perf_counter(); torch.load(sys.argv[1], weights_only=True); "
    "print(time.perf_counter() - began)"
)


def measure(*, smoke: bool) -> Iterator[tuple[str, str]]:
    """Without torch there is nothing to measure: then this says so and yields that."""
    try:
        import torch
    except ImportError:
        yield "torch is not installed here", "not measured"
        return
    size = 64 * MIB if smoke else 4096 * MIB
    with tempfile.TemporaryDirectory(prefix="swb-bench-") as folder:
        path = Path(folder) / "step_1.pt"
        pieces = {f"layer{n}": torch.randn(size // 16 // 4) for n in range(16)}
        torch.save({"model": pieces, "global_step": 1}, path)
        del pieces
        told = path.stat().st_size
        cat = _seconds(["cat", str(path)])
        seconds, peak = (float(word) for word in _run(_PROVE, path).split())
        yield "size of the checkpoint", f"{told / MIB:.0f} MiB"
        yield "proof, each byte summed up", f"{told / MIB / seconds:.0f} MiB/s, {seconds / cat:.1f} × the time of cat"
        yield "peak memory of the proof, the interpreter with it", f"{peak / 1024:.0f} MiB"
        yield "proof, as a multiple of torch.load on the same file", f"{seconds / float(_run(_LOAD, path)):.1f}"


def _seconds(command: list[str]) -> float:
    """The better of two runs: the first one fills the page cache."""
    best = float("inf")
    for _ in range(2):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - began)
    return best


def _run(code: str, path: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    return done.stdout
