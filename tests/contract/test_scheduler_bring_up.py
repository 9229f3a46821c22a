"""The test cluster itself: nothing of it may be left behind, whatever goes wrong on the way up."""

from pathlib import Path

import pytest

from tests.services.slurm import SlurmCluster, available, running_slurm
from tests.services.slurm_daemons import marked_processes

pytestmark = pytest.mark.needs_slurm


def test_a_start_that_fails_half_way_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    able, sentence = available()
    if not able:
        pytest.skip(sentence)
    seen: list[SlurmCluster] = []

    def fail(self: SlurmCluster) -> None:
        seen.append(self)
        assert marked_processes(self._mark)
        raise RuntimeError("no controller today")

    monkeypatch.setattr(SlurmCluster, "start_controller", fail)
    with pytest.raises(RuntimeError, match="no controller today"), running_slurm(tmp_path):
        pass
    assert marked_processes(seen[0]._mark) == []
    assert not seen[0].layout.sockets.exists()
