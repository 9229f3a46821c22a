"""Measures the claims of docs/performance.md: `python -m benchmarks [--smoke] [NAME …]`.

Figures are ratios and counts within one run, because machines differ; ``--smoke`` runs each with small numbers.
"""

import argparse
import importlib
import os
import sys
import tempfile

CLAIMS = (
    "wandb_pass",
    "slurm_pass",
    "log_reading",
    "evaluation",
    "verification",
    "board_page",
    "handover_search",
    "worktree_scan",
    "weekly_review",
    "sweep_page",
    "charts_in_browser",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(CLAIMS), help="which claims to measure")
    parser.add_argument("--smoke", action="store_true", help="small numbers, to see that they still run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="swb-bench-") as home:
        _prepare(home)
        for name in given.names:
            module = importlib.import_module(f"benchmarks.{name}")
            print(f"\n{name}: {module.__doc__.strip().splitlines()[0]}")
            for figure, value in module.measure(smoke=given.smoke):
                print(f"  {figure:70} {value}")
    return 0


def _prepare(home: str) -> None:
    """A database of its own, so that nobody's real one is filled."""
    for name in [name for name in os.environ if name.startswith(("WANDB", "SWEEPBOARD"))]:
        del os.environ[name]
    os.environ |= {"SWEEPBOARD_HOME": home, "DJANGO_SETTINGS_MODULE": "apps.config.settings"}
    import django
    from django.core.management import call_command

    django.setup()
    from django.conf import settings

    # Nobody collected static files here, so their names carry no hash.
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    call_command("migrate", verbosity=0)


if __name__ == "__main__":
    sys.exit(main())
