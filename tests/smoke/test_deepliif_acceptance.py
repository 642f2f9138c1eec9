"""What DeepLIIF has to show on real pictures: training by heart, and the authors' own results."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.conftest import call
from conftest import Compose
from histoseg.data import to_sample
from histoseg.data.tissue.modalities import NAMES
from histoseg.engine.train import train
from histoseg.modules.adversarial import signed, unsigned
from histoseg.postprocess.decoder import Decoder
from histoseg.slides import read_image

PUBLISHED = "HISTOSEG_DEEPLIIF"
"""Environment variable: folder of the authors' networks."""


def test_a_real_field_is_learned_by_heart(
    shared_data: Path, composed: Compose, tmp_path: Path
) -> None:
    """All five pictures of 64 px with positive and negative cells, by narrow networks."""
    strip = read_image(shared_data / "deepliif_sample" / "train" / "Bladder1.png")
    panels = np.split(strip, len(NAMES), axis=1)
    (tmp_path / "strips" / "train").mkdir(parents=True)
    crop = np.hstack([panel[128:192, 112:176] for panel in panels])
    Image.fromarray(crop).save(tmp_path / "strips" / "train" / "a.png")
    cfg = composed(
        "train", "model=deepliif", "data=deepliif_strips", f"data.dataset.root={tmp_path}/strips",
        *(f"data.splits.{split}.folder=train" for split in ("val", "test")),
        "data.tiles_per_image=25", "data/augment=none", "data.num_workers=0", "bootstrap=0",
        "trainer.check_val_every_n_epoch=2",
        "model.network.translator.width=8", "model.network.segmenter.width=8",
        "model.optimizer.lr=0.005", "trainer.max_epochs=2", "trainer.num_sanity_val_steps=0",
        "trainer.log_every_n_steps=1", "trainer.enable_progress_bar=false", "logger=csv",
        "trainer.enable_model_summary=false", tiny="deepliif",
    )  # fmt: skip
    train(cfg)
    scores = json.loads((Path(cfg.paths.run) / "test" / "metrics.json").read_text())
    assert scores["test/seg_dice"] > 0.9
    with (Path(cfg.paths.run) / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name in NAMES[1:]:
        first, second = (float(r[f"train/l1_{name}"]) for r in rows if r[f"train/l1_{name}"])
        assert second < first, name


@pytest.mark.parametrize("name", ["22_2", "34_3", "6_2", "799_2"])
@pytest.mark.parametrize("official", [False, True], ids=["formula", "real_A"])
def test_an_image_comes_back_as_in_the_original(
    shared_data: Path, name: str, official: bool
) -> None:
    """[0, 255] to [-1, 1] and back, decimals cut off: the authors' ``real_A``."""
    sample = shared_data / "deepliif_sample"
    path, theirs = (
        sample / "test_cli" / f"{name}.png",
        sample / "test_DeepLIIF_results" / f"{name}_real_A.png",
    )
    if missing := [f.name for f in (path, theirs)[: 1 + official] if not f.is_file()]:
        pytest.skip(f"not at hand: {', '.join(missing)} of the authors' sample data")
    image = read_image(path)
    if official:
        expected = read_image(theirs)
    else:
        seen = (image.astype(np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
        expected = ((seen + 1) / np.float32(2) * np.float32(255)).astype(np.uint8)
        assert (expected < image).any()
    ours = unsigned(signed(to_sample({"image": image})["image"])).numpy()
    np.testing.assert_array_equal(Decoder(truncate=True).picture(ours), expected)


@pytest.mark.parametrize("name", ["22_2", "6_2"])
def test_published_networks_give_the_published_seg(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    """Holds for the networks of May 2021 with the shares of training; later ones differ."""
    folder = os.environ.get(PUBLISHED)
    if folder is None:
        pytest.skip(f"no published weights: set {PUBLISHED}=<folder of the networks of 2021>")
    sample = shared_data / "deepliif_sample"
    said = call(
        "predict", "model=deepliif", f"model.pretrained={folder}", "model/seg_weights=training",
        f"input={sample / 'test_cli' / name}.png", "output=out", "+writers=deepliif",
        "tiling=deepliif", "workers=0", "batch_size=1",
        cwd=tmp_path,
    )  # fmt: skip
    assert said.code == 0, said.err
    got = read_image(tmp_path / "out" / f"{name}_Seg.png").astype(int)
    expected = read_image(sample / "test_DeepLIIF_results" / f"{name}_fake_B_5.png")
    assert np.abs(got - expected).mean() < 1
