"""DeepLIIF, with weights of chance, on a slide: pictures and cells in regions and as one."""

from pathlib import Path

import tifffile
import torch

from conftest import Compose
from engine.test_slide_kinds import digests, settings
from histoseg.data.synthetic import synthetic_tissue
from histoseg.engine import checkpoint
from histoseg.engine.predict_image import predict_image
from histoseg.engine.slides.slide_run import SlideRun
from histoseg.slides import SlideEntry


def test_pictures_do_not_depend_on_regions(composed: Compose, tmp_path: Path) -> None:
    torch.manual_seed(0)
    cfg = composed("train", "model=deepliif", "data=synthetic_stains", tiny="deepliif")
    module = checkpoint.build(cfg).eval()
    image = synthetic_tissue(180, 210, seed=2)["image"]
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", tile=(128, 128))
    entry, rows = SlideEntry(tmp_path / "a.tif", "a"), []
    for name, region in (("one", 4096), ("many", 100)):
        own = settings(
            tmp_path / name, module, region=region, halo=200, overlap=module.overlap, model_mpp=None
        )
        rows.append(SlideRun(entry, own).run())
    assert rows[0]["nuclei"] == rows[1]["nuclei"]
    names = {f"a_{name}.ome.tif" for name in ("hematoxylin", "dapi", "lap2", "marker", "seg")}
    assert digests(tmp_path / "one").keys() == names
    assert digests(tmp_path / "one") == digests(tmp_path / "many")
    predict = composed("predict", "model=deepliif", "data=synthetic_stains", "input=x")
    for tiling in ("blended", "deepliif"):
        predict.tiling = tiling
        picture = predict_image(module, image, "a", predict)
        assert {f"a_{name}.ome.tif" for name in picture.stains} == names
        assert {"size", "marker"} <= set(picture.measures)
        assert picture.stains["seg"].shape == image.shape
