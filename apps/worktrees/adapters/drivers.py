"""Merge drivers that a repository configures: none is run; one that fails and leaves a mark stands in for each."""

import shlex
from pathlib import Path

from apps.core.git import Git, GitRefused

_DRIVERS = r"^merge\..*\.driver$"


def without_drivers(git: Git, folder: Path, mark: Path) -> dict[str, str]:
    """Return the environment in which git, in ``folder``, makes ``mark`` where it would have run a driver.

    ``GitRefused`` where git does not tell which drivers there are; one more question to git.
    """
    said = git.run(folder, ["config", "--null", "--name-only", "--get-regexp", _DRIVERS])
    if said.status > 1:
        raise GitRefused(f"git config said: {said.words or 'nothing'}.")
    names = list(dict.fromkeys(name for name in said.text.split("\0") if name))
    if not names:
        return {}
    instead = f": > {shlex.quote(str(mark))}; exit 1".replace("%", "%%")  # git expands what stands behind a %
    told = {"GIT_CONFIG_COUNT": str(len(names))}
    for at, name in enumerate(names):
        told |= {f"GIT_CONFIG_KEY_{at}": name, f"GIT_CONFIG_VALUE_{at}": instead}
    return told
