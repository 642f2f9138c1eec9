"""Models that translate several stains together: pictures with these side by side."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from fakes import deepliif_strips as fake
from histoseg.contracts import Array
from histoseg.data.tissue.modalities import NAMES
from histoseg.engine import checkpoint
from histoseg.engine.predict_image import predict_image
from histoseg.slides import read_image

from .conftest import Call, Trained

OUT = ("output=out", "accelerator=cpu", "workers=0")
INPUTS = ("hematoxylin", "dapi", "seg")


@pytest.fixture
def strip(tmp_path: Path) -> Array:
    """A strip of the training data, as ``in/a.png``."""
    pixels = read_image(fake.write(tmp_path / "strips") / "train" / "a.png")
    save(tmp_path / "in" / "a.png", pixels)
    return pixels


def save(path: Path, pixels: Array) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


def inputs(strip: Array) -> list[Array]:
    panels = np.split(strip, len(NAMES), axis=1)
    return [panels[NAMES.index(name)] for name in INPUTS]


def made(folder: Path, name: str) -> list[Array]:
    return [read_image(folder / "stains" / f"{name}_{stain}.png") for stain in ("ihc", "marker")]


@pytest.mark.parametrize("tiling", ["blended", "deepliif"])
def test_training_strips_and_inputs_alone_give_the_same(
    tiling: str, histoseg_: Call, trained: Trained, strip: Array, tmp_path: Path
) -> None:
    ckpt = trained()
    save(tmp_path / "in" / "b.png", np.hstack(inputs(strip)))
    save(tmp_path / "in" / "c.png", np.hstack([p[:40] for p in inputs(strip)]))  # no squares
    said = histoseg_("predict", f"ckpt={ckpt}", "input=in", *OUT, f"tiling={tiling}")
    assert said.code == 0, said.err
    assert "a.png is read as panels ihc | hematoxylin | dapi" in said.out
    assert "b.png is read as panels hematoxylin | dapi | seg" in said.out
    assert "nuclei" not in said.out
    for ours, same, part in zip(*(made(tmp_path / "out", n) for n in "abc"), strict=True):
        assert ours.shape == (len(strip), len(strip), 3)
        np.testing.assert_array_equal(ours, same)
        assert part.shape == (40, len(strip), 3)
    again = histoseg_("predict", f"ckpt={ckpt}", "input=in", *OUT, f"tiling={tiling}")
    assert again.code == 0, again.err
    with (tmp_path / "out" / "summary.csv").open() as file:
        assert file.read().count("skipped") == 3


def test_pictures_are_what_the_network_says_of_the_inputs(
    histoseg_: Call, trained: Trained, strip: Array, tmp_path: Path
) -> None:
    ckpt = trained()
    assert histoseg_("predict", f"ckpt={ckpt}", "input=in/a.png", *OUT).code == 0
    recipe = checkpoint.stored_config(ckpt)
    module = checkpoint.load(OmegaConf.create({**recipe, "ckpt": str(ckpt)}))
    seen = np.concatenate(inputs(strip), axis=-1)
    with torch.inference_mode():
        maps = module.infer(torch.from_numpy(seen).permute(2, 0, 1)[None].float() / 255)
    for name, got in zip(("ihc", "marker"), made(tmp_path / "out", "a"), strict=True):
        expected = (maps[name][0] * 255).permute(1, 2, 0).numpy()
        assert np.abs(expected - got).max() < 1 + 1e-3, "decimals are cut off"
    half = OmegaConf.create(
        {"precision": "32-true", "overlap": None, "batch_size": 4, "mpp": 0.125,
         "save_maps": False, "stains": True, "tiling": "blended", "tile_size": None}
    )  # fmt: skip
    twice = np.repeat(np.repeat(seen, 2, axis=0), 2, axis=1)
    got = predict_image(module.eval(), twice, "a", half)
    assert got.image.shape == (*twice.shape[:2], 3)
    ihc = made(tmp_path / "out", "a")[0]
    expected = cv2.resize(ihc, twice.shape[:2], interpolation=cv2.INTER_LINEAR)
    assert np.abs(got.stains["ihc"].astype(int) - expected).max() <= 1, "all panels were shrunk"


def test_what_are_no_inputs_is_said(
    histoseg_: Call, trained: Trained, strip: Array, tmp_path: Path
) -> None:
    ckpt = trained()
    panels = inputs(strip)
    save(tmp_path / "in" / "b.png", panels[0][:, :50])
    save(tmp_path / "in" / "c.png", np.hstack([panels[2], panels[0], panels[1]]))
    complaint = histoseg_("predict", f"ckpt={ckpt}", "input=in", *OUT).complaint
    assert "2 of 3 images failed, the others are done" in complaint
    assert "b.png is 50 x 64 pixels" in complaint
    assert "hematoxylin | dapi | seg side by side" in complaint
    assert "c.png: 100% of panel 'seg' has other colours" in complaint


def test_several_inputs_of_deepliif(histoseg_: Call, trained: Trained, strip: Array) -> None:
    ckpt = trained(
        "deepliif", "model.inputs=[ihc,hematoxylin]", "model.outputs=[marker]",
        "model/metrics=translation",
    )  # fmt: skip
    said = histoseg_("predict", f"ckpt={ckpt}", "input=in", *OUT, "+writers=deepliif")
    assert said.code == 0, said.err


@pytest.mark.parametrize("alike", [False, True])
def test_a_strip_for_a_model_of_one_input_is_refused_whatever_its_size(
    alike: bool, histoseg_: Call, trained: Trained, strip: Array, tmp_path: Path
) -> None:
    ckpt = trained("deepliif")
    if alike:
        save(tmp_path / "in" / "a.png", np.hstack([strip[:, :64]] * 6))
    complaint = histoseg_("predict", f"ckpt={ckpt}", "input=in", *OUT, "region=128").complaint
    assert "a.png: it is a strip of 6 panels" in complaint
