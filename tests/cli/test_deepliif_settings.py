"""What a folder of DeepLIIF, a checkpoint and the command line decide together."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from fakes import deepliif_strips as fake
from histoseg.contracts import Array
from histoseg.networks import ResnetGenerator, UNetGenerator
from histoseg.networks.deepliif import DeepLIIF
from histoseg.slides import read_image
from histoseg.weights.deepliif import DeepLIIFFolder, read_deepliif, write_deepliif
from histoseg.weights.layers import StoredNetwork
from histoseg.weights.resnet_layout import ResnetLayout
from histoseg.weights.unet_layout import UNetLayout

from .conftest import Call, Trained
from .test_deepliif import FEW, RUN, networks
from .test_deepliif import tissue as tissue  # a fixture


def counts(folder: Path, name: str = "a") -> dict[str, float]:
    return dict(json.loads((folder / f"{name}.json").read_text()))


def test_networks_of_another_kind_need_no_settings(
    histoseg_: Call, tmp_path: Path, tissue: Array
) -> None:
    """As of ``--net-g unet_32 --net-gs resnet_2blocks``: no setting of the usual ones is left."""
    torch.manual_seed(0)
    unet, resnet = UNetLayout(width=4, depth=5), ResnetLayout(width=4, blocks=2)
    made = {
        layout: StoredNetwork(layout, dict(kind(**vars(layout)).state_dict()))
        for kind, layout in ((UNetGenerator, unet), (ResnetGenerator, resnet))
    }
    model = DeepLIIFFolder((made[unet],) * 4, (made[resnet],) * 5, tile=32, seg_weights=(0.2,) * 5)
    write_deepliif(tmp_path / "w", model)
    said = histoseg_("predict", *RUN, *FEW)
    assert said.code == 0, said.err
    network = OmegaConf.load(tmp_path / "out" / "config.yaml").model.network
    assert network.translator["_target_"] == "histoseg.networks.UNetGenerator"
    assert set(network.translator) == {"_target_", "_partial_", "width", "depth", "norm", "dropout"}
    assert network.segmenter.blocks == 2
    said = histoseg_("export", *RUN[:2], "format=deepliif", "output=back")
    assert said.code == 0, said.err
    back = read_deepliif(tmp_path / "back")
    assert [n.layout for n in (*back.translators, *back.segmenters)] == [unet] * 4 + [resnet] * 5


def test_background_colours_are_those_of_the_options(
    histoseg_: Call, tmp_path: Path, tissue: Array
) -> None:
    write_deepliif(tmp_path / "w", networks())
    options = tmp_path / "w" / "train_opt.txt"
    colours = [(np.uint8(1), np.uint8(2), np.uint8(3)), (4, 5, 6), (7, 8, 9), (10, 11, 12)]
    options.write_text(options.read_text() + f"background_colors: {colours}\n")
    tissue[:] = 255  # nothing is on it

    Image.fromarray(tissue).save(tmp_path / "in" / "a.png")
    assert histoseg_("predict", *RUN, *FEW, "tiling=deepliif").code == 0
    for name, colour in zip(("Hema", "DAPI", "Lap2", "Marker", "Seg"), [*colours, (0, 0, 0)],
                            strict=True):  # fmt: skip
        assert (read_image(tmp_path / "out" / f"a_{name}.png") == colour).all(), name
    said = histoseg_("export", *RUN[:2], "format=deepliif", "output=back")
    assert said.code == 0, said.err
    assert read_deepliif(tmp_path / "back").backgrounds == tuple(colours)
    options.write_text(options.read_text().replace("(4, 5, 6)", "(4, 5, 256)"))
    complaint = histoseg_("predict", *RUN, *FEW).complaint
    assert "expected 4 colours (R, G, B) of 0 to 255" in complaint


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the networks that ran."""
    names: set[str] = set()
    forward = DeepLIIF.forward

    def listening(self: DeepLIIF, image: torch.Tensor) -> dict[str, torch.Tensor]:
        made = forward(self, image)
        names.update(made)
        return made

    monkeypatch.setattr(DeepLIIF, "forward", listening)
    return names


def test_seg_alone_runs_what_it_needs(
    histoseg_: Call, tmp_path: Path, tissue: Array, asked: set[str]
) -> None:
    write_deepliif(tmp_path / "w", networks())
    assert histoseg_("predict", *RUN, *FEW, "output=all").code == 0
    asked.clear()
    said = histoseg_("predict", *RUN, *FEW, "model.seg_only=true")
    assert said.code == 0, said.err
    assert asked == {"marker", "seg", "seg_ihc", "seg_marker"}
    names = sorted(p.name for p in (tmp_path / "out").glob("a*"))
    assert names == ["a.json", "a_Seg.png", "a_SegOverlaid.png", "a_SegRefined.png"]
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "all" / name).read_bytes()
    more = ("model.seg_only=true", "model.postprocess.marker_thresh=default", "output=thresh")
    assert histoseg_("predict", *RUN, *FEW, *more).code == 0
    assert counts(tmp_path / "thresh")["marker_thresh"] is not None
    alone = ("model.seg_only=true", "model.outputs=[dapi,marker]")
    assert "seg is none of the outputs" in histoseg_("predict", *RUN, *FEW, *alone).complaint


def test_thresholds_of_a_checkpoint(
    histoseg_: Call, trained: Trained, tmp_path: Path, tissue: Array
) -> None:
    torch.manual_seed(3)
    ckpt = trained("deepliif", "model.postprocess.size_thresh=0")
    content = torch.load(ckpt, weights_only=True)
    for name, weight in content["state_dict"].items():
        if name.startswith("network.segmenters.") and name.endswith("up.0.conv.weight"):
            weight.mul_(40)  # so that it paints in colours
    torch.save(content, ckpt)
    predict = ("predict", f"ckpt={ckpt}", "input=in", "+writers=deepliif", *FEW)
    found = {}
    for thresh in (120, 200):
        out = f"out{thresh}"
        said = histoseg_(*predict, f"output={out}", f"model.postprocess.seg_thresh={thresh}")
        assert said.code == 0, said.err
        found[thresh] = counts(tmp_path / out)
        with (tmp_path / out / "table" / "a.csv").open() as file:
            assert len(list(csv.DictReader(file))) == found[thresh]["num_total"]
        assert found[thresh]["seg_thresh"] == thresh
    assert found[120]["num_total"] != found[200]["num_total"]
    fake.write(tmp_path / "strips")
    scores = {}
    for size in (0, 100000):
        said = histoseg_(
            "evaluate", f"ckpt={ckpt}", f"data.dataset.root={tmp_path / 'strips'}",
            "data.num_workers=0", f"model.postprocess.size_thresh={size}", "bootstrap=0",
            f"hydra.run.dir=eval{size}", "trainer.enable_progress_bar=false",
        )  # fmt: skip
        assert said.code == 0, said.err
        scores[size] = json.loads((tmp_path / f"eval{size}" / "metrics.json").read_text())
    assert scores[0]["test/rmse_total"] > 0
    assert scores[100000]["test/rmse_total"] == 0, "neither truth nor prediction has so large cells"
