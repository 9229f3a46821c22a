"""The environment, read once. No other module looks at ``os.environ`` for a setting.

Every variable here is described in ``.env.example``; a guard test compares the two.
"""

import hashlib
import os
import secrets
import sys
import tempfile
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parents[2]

env = environ.Env()
if (BASE_DIR / ".env").is_file():
    environ.Env.read_env(str(BASE_DIR / ".env"))

_HOME_DEFAULT = BASE_DIR / "var"


def state_folder(path: Path) -> Path:
    """Return ``path`` as a folder that can be written, made if needed; stops the start with a sentence if not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        sys.exit(f"{path} cannot be made ({error.strerror}). Set SWEEPBOARD_HOME to a folder of yours.")
    if not os.access(path, os.W_OK):
        sys.exit(f"{path} cannot be written. Set SWEEPBOARD_HOME to a folder of yours.")
    return path


HOME = state_folder(Path(env.str("SWEEPBOARD_HOME", default=str(_HOME_DEFAULT))).expanduser().resolve())
SAMPLE_ENV = HOME / "sample" / "sandbox.env"
# `make run` without a W&B key leaves here how to reach its sandbox, for commands in other terminals.
OWN_SETTINGS = any(env.str(name, default="") for name in ("SWEEPBOARD_CONFIG", "WANDB_API_KEY", "WANDB_BASE_URL"))
if SAMPLE_ENV.is_file() and not OWN_SETTINGS:
    environ.Env.read_env(str(SAMPLE_ENV))
SAMPLE = env.bool("SWEEPBOARD_SAMPLE", default=False)
CONFIG_FILE = env.str("SWEEPBOARD_CONFIG", default="")
HOST = env.str("HOST", default="127.0.0.1")
PORT = env.int("PORT", default=8000)
EXTRA_HOSTS = env.list("SWEEPBOARD_HOSTS", default=[])
_NAMES = [name for name in EXTRA_HOSTS if name[:1] not in ("", ".", "*")]  # those are patterns
PUBLIC_URL = env.str("SWEEPBOARD_URL", default="").rstrip("/") or (
    f"https://{_NAMES[0]}" if _NAMES else f"http://{HOST}:{PORT}"
)
DATABASE_URL = env.str("DATABASE_URL", default="")
REDIS_URL = env.str("REDIS_URL", default="")
WANDB_BASE_URL = env.str("WANDB_BASE_URL", default="")
WANDB_API_KEY = env.str("WANDB_API_KEY", default="")
SLURM_CONF = env.str("SLURM_CONF", default="")
TOKEN = env.str("SWEEPBOARD_TOKEN", default="")


def runtime_dir() -> Path:
    """A short private folder for sockets: their paths may have 107 bytes at most."""
    digest = hashlib.sha256(str(HOME).encode()).hexdigest()[:10]
    folder = Path(tempfile.gettempdir()) / f"sweepboard-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise SystemExit(f"{folder} belongs to somebody else. Set REDIS_URL, or TMPDIR to a folder of yours.")
    return folder


def embedded_redis_socket() -> Path:
    return runtime_dir() / "redis.sock"


def secret_key() -> str:
    """SECRET_KEY, or one that is made once and kept in the state folder, readable by its owner only."""
    if given := env.str("SECRET_KEY", default=""):
        return str(given)
    path = HOME / "secret_key"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(fd, "w") as file:
        file.write(secrets.token_urlsafe(50))
    return path.read_text().strip()
