"""DeepLIIF as a user has it: a folder of weights, pictures in, the original's files out."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fakes.seg import seg_picture
from histoseg.contracts import Array
from histoseg.networks import ResnetGenerator, UNetGenerator
from histoseg.slides.image import read_image
from histoseg.weights.deepliif import DeepLIIFFolder, write_deepliif
from histoseg.weights.layers import StoredNetwork
from histoseg.weights.resnet_layout import ResnetLayout
from histoseg.weights.translators import write_official
from histoseg.weights.unet_layout import UNetLayout

from .conftest import Call

TILE = 32
PICTURES = ("Hema", "DAPI", "Lap2", "Marker", "Seg", "SegOverlaid", "SegRefined")
RUN = ("model=deepliif", "model.pretrained=w", "input=in", "output=out", "+writers=deepliif")
FEW = ("workers=0", "accelerator=cpu")
FIELDS = ["num_total", "num_pos", "num_neg", "percent_pos", "seg_thresh", "size_thresh",
          "size_thresh_upper", "marker_thresh"]  # fmt: skip


def networks(width: int = 4) -> DeepLIIFFolder:
    """Untrained, of 2021's form: reflected, and one block; outputs are made strong."""
    torch.manual_seed(0)
    resnet = ResnetLayout(width=width, blocks=1, padding="reflect")
    unet = UNetLayout(width=width, depth=5)
    made = []
    for kind, layout, count in ((ResnetGenerator, resnet, 4), (UNetGenerator, unet, 5)):
        some = [kind(**vars(layout)) for _ in range(count)]  # type: ignore[operator]
        for network in some:
            last = network.head if kind is ResnetGenerator else network.up[0].conv
            last.weight.data *= 40
        made.append(tuple(StoredNetwork(layout, dict(n.state_dict())) for n in some))
    return DeepLIIFFolder(*made, tile=TILE, seg_weights=(0.5, 0.0, 0.0, 0.0, 0.5))


@pytest.fixture
def tissue(tmp_path: Path) -> Array:
    """A field with something brown and something blue, as ``in/a.png``."""
    seg = seg_picture((96, 104), 5, 11, 0).astype(int)
    noise = np.random.default_rng(0).integers(-20, 20, seg.shape)
    image = (225 - seg[..., [2, 0, 0]] // 2 - seg[..., [1, 2, 0]] // 3 + noise).clip(0, 255)
    (tmp_path / "in").mkdir()
    Image.fromarray(image.astype(np.uint8)).save(tmp_path / "in" / "a.png")
    return image.astype(np.uint8)


def states(folder: Path) -> list[tuple[str, str]]:
    with (folder / "summary.csv").open(newline="") as file:
        return [(Path(row["image"]).name, row["state"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("scheme", ["old", "new"])
def test_a_folder_says_all_of_its_model_itself(
    histoseg_: Call, tmp_path: Path, tissue: Array, scheme: str
) -> None:
    write_deepliif(tmp_path / "w", networks(), scheme=scheme)  # type: ignore[arg-type]
    said = histoseg_(*("predict", *RUN, *FEW), "tiling=deepliif", "model.postprocess.seg_thresh=90")
    assert said.code == 0, said.err
    out = tmp_path / "out"
    for name in PICTURES:
        assert read_image(out / f"a_{name}.png").shape == tissue.shape
    counts = json.loads((out / "a.json").read_text())
    assert list(counts) == FIELDS
    assert counts["seg_thresh"] == 90
    assert counts["num_total"] > 0
    assert (out / "geojson" / "a.geojson").is_file()
    with (out / "table" / "a.csv").open() as file:
        assert len(list(csv.DictReader(file))) == counts["num_total"]
    weights = json.loads(json.dumps(_config(out)["model"]["seg_weights"]))
    assert weights == [0.5, 0, 0, 0, 0.5]
    assert _config(out)["model"]["network"]["translator"]["padding"] == "reflect"


def _config(out: Path) -> dict[str, dict]:  # type: ignore[type-arg]
    from omegaconf import OmegaConf

    return OmegaConf.to_container(OmegaConf.load(out / "config.yaml"))  # type: ignore[return-value]


def test_counting_again_gives_the_same_and_results_are_no_inputs(
    histoseg_: Call, tmp_path: Path, tissue: Array
) -> None:
    write_deepliif(tmp_path / "w", networks())
    here = [*RUN[:2], "input=in", "output=in", RUN[4], *FEW]
    assert histoseg_("predict", *here).code == 0
    assert (tmp_path / "in" / "a_Seg.png").is_file()
    assert histoseg_("predict", *here).code == 0
    assert states(tmp_path / "in") == [("a.png", "skipped")]
    Image.fromarray(tissue[::-1]).save(tmp_path / "in" / "b.png")
    assert histoseg_("predict", *here, "model.postprocess.marker_thresh=default").code == 0
    assert states(tmp_path / "in") == [("a.png", "done"), ("b.png", "done")]
    said = histoseg_(
        "score_ihc", "input=in", "output=again", "cells.marker_thresh=default", "foreign=1"
    )
    assert said.code == 0, said.err
    for name in "ab":
        for file in (f"{name}.json", f"{name}_SegRefined.png", f"{name}_SegOverlaid.png"):
            assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "in" / file).read_bytes()


def test_optical_density_is_of_the_image(histoseg_: Call, tmp_path: Path, tissue: Array) -> None:
    write_deepliif(tmp_path / "w", networks())
    found = {}
    for lower in (0, 1000):
        more = (f"model.postprocess.od_thresh_lower={lower}", f"output=out{lower}")
        said = histoseg_("predict", *RUN[:3], RUN[4], *FEW, *more)
        assert said.code == 0, said.err
        counts = json.loads((tmp_path / f"out{lower}" / "a.json").read_text())
        with (tmp_path / f"out{lower}" / "table" / "a.csv").open() as file:
            rows = [row["class"] for row in csv.DictReader(file)]
        assert rows.count("positive") == counts["num_pos"]
        found[lower] = counts["num_pos"]
    assert found[0] > found[1000] == 0
    with (tmp_path / "out0" / "table" / "a.csv").open() as file:
        middle = int(np.median([int(float(row["od"])) for row in csv.DictReader(file)]))
    called = []
    for name, region in (("whole", 1536), ("regions", 64)):
        more = (f"model.postprocess.od_thresh_lower={middle}", f"region={region}", f"output={name}")
        said = histoseg_("predict", *RUN[:3], *FEW, *more)
        assert said.code == 0, said.err
        with (tmp_path / name / "table" / "a.csv").open() as file:
            called.append(sorted((row["class"], row["od"]) for row in csv.DictReader(file)))
    assert called[0] == called[1]
    assert {kind for kind, _ in called[0]} == {"positive", "negative"}
    complaint = histoseg_(
        "predict", *RUN, *FEW, "model.postprocess.od_thresh_lower=5", "stains=false"
    ).complaint
    assert "thresholds of optical density look at the image" in complaint


def test_torchscript_without_options(
    histoseg_: Call, tmp_path: Path, tissue: Array, recwarn: pytest.WarningsRecorder
) -> None:
    """Only names and keys say what it is; the tile is the original's 512."""
    model, folder = networks(), tmp_path / "w"
    folder.mkdir()
    names = ["G1", "G2", "G3", "G4", "GS0", "GS1", "GS2", "GS3", "GS4"]
    for name, stored in zip(names, (*model.translators, *model.segmenters), strict=True):
        write_official(folder / f"{name}.pth", stored)
        state = torch.load(folder / f"{name}.pth", weights_only=True)
        (folder / f"{name}.pth").unlink()
        holder = torch.nn.Module()
        for key, value in state.items():
            _hang(holder, key, value)
        torch.jit.save(torch.jit.script(holder), folder / f"{name}.pt")
    recwarn.clear()
    said = histoseg_("predict", *RUN, *FEW, "model.tile=32", "model.overlap=8")
    assert said.code == 0, said.err
    assert (tmp_path / "out" / "a_Seg.png").is_file()
    assert _config(tmp_path / "out")["model"]["seg_weights"] == [0.25, 0.15, 0.25, 0.1, 0.25]


def _hang(module: torch.nn.Module, key: str, value: torch.Tensor) -> None:
    *parts, last = key.split(".")
    for part in parts:
        if not hasattr(module, part):
            module.add_module(part, torch.nn.Module())
        module = getattr(module, part)
    module.register_buffer(last, value)


def test_what_cannot_work_is_said(histoseg_: Call, tmp_path: Path, tissue: Array) -> None:
    folder = tmp_path / "w"
    assert "there is no folder w" in histoseg_("predict", *RUN, *FEW).complaint
    write_deepliif(folder, networks())
    own = histoseg_("predict", *RUN, *FEW, "model.network.translator.width=8").complaint
    assert "say model.network.translator.width=4" in own
    one = networks(8).translators[2]
    write_official(folder / "latest_net_G3.pth", one)
    assert "give networks of one training" in histoseg_("predict", *RUN, *FEW).complaint
    (folder / "latest_net_G3.pth").unlink()
    assert "lacks the networks G3" in histoseg_("predict", *RUN, *FEW).complaint
    options = folder / "train_opt.txt"
    options.write_text(options.read_text() + "epoch: __import__('os').abort()\n")
    assert "train_opt.txt" in histoseg_("predict", *RUN, *FEW).complaint


def test_pictures_that_are_no_ihc_image_are_refused(
    histoseg_: Call, tmp_path: Path, tissue: Array
) -> None:
    write_deepliif(tmp_path / "w", networks())
    square = tissue[:, :96]
    strip = np.hstack([square, square, seg_picture((96, 96), 6, 9, 0)])
    Image.fromarray(strip).save(tmp_path / "in" / "b.png")
    Image.fromarray(tissue).convert("L").save(tmp_path / "in" / "c.png")
    Image.fromarray(tissue[..., 0].astype(np.uint16) * 200).save(tmp_path / "in" / "d.png")
    complaint = histoseg_("predict", *RUN, *FEW).complaint
    assert "3 of 4 images failed, the others are done" in complaint
    assert "b.png: it is a strip of 3 panels" in complaint
    assert "c.png: it is grey" in complaint
    assert "d.png: it is grey" in complaint


def test_modalities_alone(histoseg_: Call, tmp_path: Path, tissue: Array) -> None:
    write_deepliif(tmp_path / "w", networks())
    said = histoseg_("predict", *RUN, *FEW, "model.outputs=[hematoxylin,dapi,lap2,marker]")
    assert said.code == 0, said.err
    names = sorted(p.name for p in (tmp_path / "out").glob("a*"))
    assert names == ["a_DAPI.png", "a_Hema.png", "a_Lap2.png", "a_Marker.png"]
