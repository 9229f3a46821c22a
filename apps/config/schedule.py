"""What beat sends, and when. A pass that is late is not sent twice: it expires when the next one is due."""

from typing import Any

from apps.core.tasks import Queue
from apps.workspaces.selectors import current_config


def beat_schedule() -> dict[str, dict[str, Any]]:
    config = current_config()
    return {
        "sync-wandb": _every(config.wandb.sync_seconds, "ops.sync_wandb"),
        "sync-slurm": _every(config.slurm.sync_seconds, "ops.sync_slurm"),
        "sync-folders": _every(config.wandb.folders_seconds, "ops.sync_folders"),
        "sync-histories": _every(config.wandb.history_seconds, "ops.sync_histories"),
        "look-for-gone-runs": _every(config.wandb.deletions_seconds, "ops.look_for_gone_runs"),
        "sync-gpus": _every(600, "ops.sync_gpus"),
        "drive-uploads": _every(15, "sweeps.drive_uploads", Queue.ACTIONS),
        "drive-closings": _every(15, "closing.drive_closings", Queue.ACTIONS),
        "drive-resumes": _every(10, "resume.drive_resumes", Queue.ACTIONS),
        "auto-resume": _every(30, "resume.auto_resume", Queue.ACTIONS),
        "drive-stoppings": _every(5, "stopping.drive_stoppings", Queue.ACTIONS),
        "drive-restarts": _every(10, "restart.drive_restarts", Queue.ACTIONS),
        "drive-proofs": _every(15, "checkpoints.drive_proofs", Queue.CHECKS),
        "prove-newest": _every(3600, "checkpoints.prove_newest", Queue.CHECKS),
        "find-importances": _every(30, "pages.find_importances", Queue.CHECKS),
        "scan-handovers": _every(config.handovers.scan_seconds, "handovers.scan"),
        "archive-handovers": _every(config.handovers.archive_seconds, "handovers.archive", Queue.CHECKS),
        "work-of-handovers": _every(config.handovers.work_seconds, "handovers.work", Queue.CHECKS),
        "scan-worktrees": _every(config.worktrees.scan_seconds, "worktrees.scan"),
        "watch-alerts": _every(20, "alerts.watch", Queue.ACTIONS),
        "send-answers": _every(5, "api.send_answers", Queue.ACTIONS),
        "forget-answers": _every(3600, "api.forget_answers", Queue.CHECKS),
        "close-weeks": _every(600, "review.close_weeks", Queue.CHECKS),
        "review-digests": _every(300, "review.send_digests", Queue.ACTIONS),
        "thin-out": _every(86_400, "ops.thin_out"),
    }


def _every(seconds: int, task: str, queue: Queue = Queue.SYNC) -> dict[str, Any]:
    return {
        "task": task,
        "schedule": float(seconds),
        "options": {"expires": seconds, "queue": queue.value},
    }
