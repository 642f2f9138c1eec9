"""Workers do not grow from epoch to epoch."""

import multiprocessing
import re
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from fakes import pannuke
from test_import_dag import SRC

CONF = SRC.parents[1] / "conf"


def own_memory() -> float:
    """MiB that only the workers hold."""
    texts = [
        Path(f"/proc/{child.pid}/smaps_rollup").read_text()
        for child in multiprocessing.active_children()
    ]
    return sum(int(re.search(r"Private_Dirty: +(\d+)", text)[1]) for text in texts) / 1024


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")
def test_memory_is_constant_over_epochs(tmp_path: Path) -> None:
    pannuke.write(tmp_path / "pannuke", folds=(1,), images=16, size=128)
    given = ["+data=pannuke", f"+paths.data={tmp_path}", "+seed=0", "data.num_workers=2"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        data = instantiate(compose(overrides=[*given, "data.tile=128"]).data)
    loader = data.train_dataloader()
    held = []
    for _ in range(24):
        seen = sum(len(data.on_after_batch_transfer(batch, 0)["image"]) for batch in loader)
        assert seen == 16
        held.append(own_memory())
    tile = 128 * 128 * (3 + 4 + 1) / 2**20
    assert held[-1] - held[11] < 12 * 16 * tile / 4, "a quarter of the tiles seen meanwhile"
