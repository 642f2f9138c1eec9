"""A model on loading codes as a user has it: trained, scored, predicted with, exported."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import tiny_overrides
from fakes import stacks
from histoseg.contracts import Array

from .conftest import Call, call

CODES = "data.dataset.loading.codes=[111,12,102,{op: black}]"
TINY = tiny_overrides("pixelshuffle_unet")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stacks.write(tmp_path_factory.mktemp("stacks"), 8)


@pytest.fixture(scope="module")
def trained(root: Path) -> Path:
    said = call(
        "train", "model=pixelshuffle_unet", "data=loading_codes", *TINY,
        f"data.dataset.root={root}", CODES, "data.num_workers=0", "data.tiles_per_image=2",
        "phases.decoder.trainer.max_epochs=1", "phases.all.trainer.max_epochs=1",
        "model.optimizer.lr=2e-3", "logger=csv", "trainer.num_sanity_val_steps=0", "bootstrap=0",
        "trainer.enable_progress_bar=false", "trainer.enable_model_summary=false",
        "hydra.run.dir=run", cwd=root,
    )  # fmt: skip
    assert said.code == 0, said.err
    return root / "run"


def overlay(folder: Path) -> Array:
    (path,) = folder.glob("overlay/*.png")
    return np.asarray(Image.open(path))


def test_a_run_scores_pixels_and_cells(trained: Path) -> None:
    scores = json.loads((trained / "test" / "metrics.json").read_text())
    for name in ("acc", "acc_background", "acc_cell", "iou", "pixel_dice", "boundary_f1", "pq"):
        assert 0 <= scores[f"test/{name}"] <= 1, name
    assert (trained / "decoder" / "done.json").is_file()
    assert (trained / "all" / "panels" / "epoch_000.png").is_file()


def test_prediction_reads_stacks_by_the_codes_of_the_checkpoint(
    trained: Path, root: Path, histoseg_: Call, tmp_path: Path
) -> None:
    stack = root / "FullImage" / "day0" / "s0.tif"
    given = [f"ckpt={trained}", f"input={stack}", "accelerator=cpu", "workers=0"]
    said = histoseg_("predict", *given, "output=a")
    assert said.code == 0, said.err
    classes = np.asarray(Image.open(next((tmp_path / "a").glob("semantic/*.tif"))))
    assert classes.shape == (80, 72)
    assert set(np.unique(classes)) <= {0, 1}
    seen = overlay(tmp_path / "a")
    assert seen.shape[1:] == (72, 3)
    assert seen[:80].max() > 200  # the first three channels, lit
    said = histoseg_("predict", *given, "output=b", "data.dataset.loading.codes=[110,110,110,110]")
    assert said.code == 0, said.err  # other codes: a cross-test
    assert not np.array_equal(overlay(tmp_path / "b"), seen)


def test_a_stack_that_lacks_a_channel_is_named(
    trained: Path, histoseg_: Call, tmp_path: Path
) -> None:
    stacks.put(tmp_path, "few", stacks.stack(0)[0][:4], None)
    given = [f"ckpt={trained}", f"input={tmp_path / 'FullImage'}", "accelerator=cpu", "workers=0"]
    said = histoseg_("predict", *given, "output=a")
    assert said.code == 1
    assert "few.tif has 4 channels (0 to 3), and channel" in said.err + said.out


def test_export_says_what_fastai_can_hold(trained: Path, histoseg_: Call, tmp_path: Path) -> None:
    said = histoseg_("export", f"ckpt={trained}", "format=fastai", "output=a.pth")
    assert "holds a ResNet as torchvision has it" in said.complaint
    said = histoseg_("export", f"ckpt={trained}", "format=fastai", "output=a.tar")
    assert "end in .pth" in said.complaint
    assert not list(tmp_path.iterdir())
