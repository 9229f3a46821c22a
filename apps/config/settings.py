"""Django's settings: what `apps.config.env` read, and what never changes."""

from pathlib import Path
from typing import Any

import environ
import structlog
from csp.constants import NONE, SELF

from apps.config import env
from apps.core.redaction import hide_tokens

BASE_DIR = env.BASE_DIR
HOME = env.HOME
SECRET_KEY = env.secret_key()
DEBUG = False
ALLOWED_HOSTS = [*dict.fromkeys(["127.0.0.1", "localhost", "[::1]", env.HOST, *env.EXTRA_HOSTS])]
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in env.EXTRA_HOSTS]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "django_structlog",
    "axes",
    "apps.core",
    "apps.audit",
    "apps.workspaces",
    "apps.sweeps",
    "apps.slurm",
    "apps.joblogs",
    "apps.links",
    "apps.checkpoints",
    "apps.flags",
    "apps.handovers",
    "apps.approvals",
    "apps.worktrees",
    "apps.memory",
    "apps.resume",
    "apps.closing",
    "apps.stopping",
    "apps.restart",
    "apps.alerts",
    "apps.board",
    "apps.api",
    "apps.review",
    "apps.pages",
    "apps.ops",
    "apps.config",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "apps.config.urls"
WSGI_APPLICATION = "apps.config.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.ops.context_processors.shell",
            ],
            "builtins": ["apps.core.templatetags.units"],
        },
    }
]


def _database() -> dict[str, Any]:
    """PostgreSQL when DATABASE_URL says so; otherwise SQLite in WAL mode, writers queueing up politely."""
    if env.DATABASE_URL and not env.DATABASE_URL.startswith("sqlite"):
        return {**environ.Env.db_url_config(env.DATABASE_URL), "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
    name = env.DATABASE_URL.removeprefix("sqlite:///") or str(HOME / "sweepboard.sqlite3")
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name,
        "OPTIONS": {
            # Without IMMEDIATE a read that turns into a write fails at once instead of waiting its turn.
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32768;",
        },
    }


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.REDIS_URL or f"unix://{env.embedded_redis_socket()}"
EMBEDDED_REDIS = not env.REDIS_URL
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)

CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_DEFAULT_QUEUE = "sync"
CELERY_TASK_ROUTES = "apps.core.tasks.route"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 900, "socket_connect_timeout": 2}
CELERY_TIMEZONE = "UTC"

CONFIG_FILE = env.CONFIG_FILE
WANDB_BASE_URL = env.WANDB_BASE_URL
WANDB_API_KEY = env.WANDB_API_KEY
SLURM_CONF = env.SLURM_CONF
PUBLIC_URL = env.PUBLIC_URL  # without a slash at its end
SAMPLE = env.SAMPLE
TOKEN = env.TOKEN  # of `manage.py mcp`

# Adapters by dotted path: imported by `wiring` modules, and by nobody else.
SWEEP_SOURCES = {
    "wandb_api": "apps.sweeps.adapters.wandb_api.WandbApiSource",
    "memory": "apps.sweeps.adapters.memory.MemorySource",
}
SCHEDULERS = {
    "slurm_cli": "apps.slurm.adapters.slurm_cli.SlurmCli",
    "pyslurm": "apps.slurm.adapters.pyslurm.PySlurm",
    "local": "apps.slurm.adapters.local.LocalScheduler",
    "memory": "apps.slurm.adapters.memory.MemoryScheduler",
}

RUN_FOLDERS = "apps.sweeps.adapters.wandb_local.WandbRunFolders"
UPLOADER = "apps.sweeps.adapters.wandb_sync.WandbSync"
RUN_CLOSER = "apps.sweeps.adapters.wandb_close.WandbCloser"
SWEEP_CONTROL = "apps.sweeps.adapters.wandb_control.WandbControl"
LOG_STORE = "apps.joblogs.adapters.filesystem.FilesystemLogStore"
CHECKPOINT_PROVER = "apps.checkpoints.adapters.byte_prover.ByteProver"
CHECKPOINT_STORE = "apps.checkpoints.adapters.filesystem.FilesystemCheckpointStore"

DOCUMENT_STORE = "apps.handovers.adapters.filesystem.FilesystemDocumentStore"
WORK_SOURCE = "apps.handovers.adapters.git_cli.GitCli"

GIT_REPOSITORY = "apps.worktrees.adapters.git_cli.GitCli"
PICK_SOURCE = "apps.worktrees.adapters.picks.GitPicks"
CHECKOUT_FILES = "apps.worktrees.adapters.files.CheckoutFiles"

ALERT_SENDER = "apps.alerts.adapters.apprise.AppriseSender"

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_CALLABLE = "apps.ops.views.locked_out"
CSRF_FAILURE_VIEW = "apps.ops.views.csrf_failed"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
LOGIN_URL = "ops:login"
LOGIN_REDIRECT_URL = "board:board"
LOGOUT_REDIRECT_URL = "ops:login"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = HOME / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_MANIFEST_STRICT = False

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

_SHARED_LOG_STEPS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_SHARED_LOG_STEPS,
        structlog.processors.StackInfoRenderer(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                hide_tokens,
                structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], bool_as_flag=False),
            ],
            "foreign_pre_chain": _SHARED_LOG_STEPS,
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    # A line for each poll of each open board would bury what matters.
    "loggers": {"apps": {"level": "INFO"}, "django_structlog": {"level": "WARNING"}},
}
