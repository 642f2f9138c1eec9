"""Stains of another image as augmentation, and of a fixed target as normalisation."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hydra.utils import instantiate

from conftest import Compose
from histoseg.contracts import Array, Record
from histoseg.data import Augment, StainNormaliser, StainTransfer, TileDataModule
from histoseg.data.datamodule import Tiles
from histoseg.data.draws import Draw
from histoseg.data.sample import widened
from histoseg.data.synthetic import synthetic_tissue
from histoseg.engine import checkpoint
from histoseg.engine.data import build_data
from histoseg.engine.predict import load
from histoseg.engine.predict_image import predict_image
from histoseg.errors import ContractError

METHODS = ["macenko", "reinhard"]


@pytest.fixture(scope="module")
def images() -> list[Record]:
    """Tiles full of tissue, H&E and IHC in turns."""
    stains = ("he", "ihc", "he", "ihc")
    return [synthetic_tissue(96, 96, i, stain=s, tissue="tumour") for i, s in enumerate(stains)]


def read(images: list[Record], index: int) -> Array:
    return images[index]["image"]


@pytest.mark.parametrize("method", METHODS)
def test_a_tile_takes_the_stains_of_another_and_its_maps_stay(
    images: list[Record], method: str
) -> None:
    augment = Augment({"stain": StainTransfer(method, p=1)})
    record, other = images[0], read(images, 1)
    out = augment(record, 0, donor=lambda: other)
    look = StainTransfer(method).look
    before, after, wanted = (look.of(i).plain() for i in (record["image"], out["image"], other))

    def apart(a: dict[str, list[float]], b: dict[str, list[float]]) -> float:
        return max(float(np.abs(np.array(a[k]) - b[k]).max()) for k in a)

    assert apart(after, wanted) < 0.3 * apart(before, wanted)
    np.testing.assert_array_equal(out["semantic"], record["semantic"])
    assert out["image"].dtype == np.uint8


@pytest.mark.parametrize("method", METHODS)
def test_the_other_image_is_drawn_by_the_seed_and_read_only_if_needed(
    images: list[Record], method: str
) -> None:
    tiles = Tiles(images, Augment({"stain": StainTransfer(method, p=1)}))
    first = tiles[Draw(0, 5)]["image"]
    assert torch.equal(tiles[Draw(0, 5)]["image"], first)
    seen = {tiles[Draw(0, seed)]["image"].numpy().tobytes() for seed in range(12)}
    assert 1 < len(seen) <= len(images)

    def never() -> Array:
        raise AssertionError("p=0 needs no other image")

    unchanged = Augment({"stain": StainTransfer(method, p=0)})(images[0], 0, donor=never)
    np.testing.assert_array_equal(unchanged["image"], images[0]["image"])
    assert not Augment({}).needs_donor


@pytest.mark.parametrize("method", METHODS)
def test_glass_stays_glass(images: list[Record], method: str) -> None:
    augment = Augment({"stain": StainTransfer(method, p=1)})
    glass = np.full((96, 96, 3), 250, np.uint8)
    np.testing.assert_array_equal(
        augment({"image": glass}, 0, donor=lambda: read(images, 1))["image"], glass
    )
    np.testing.assert_array_equal(
        augment(images[0], 0, donor=lambda: glass)["image"], images[0]["image"]
    )


@pytest.mark.parametrize("augment", METHODS)
def test_the_yaml_trains(composed: Compose, augment: str) -> None:
    cfg = composed(
        "train", "model=hovernet", "data=synthetic", f"data/augment={augment}",
        "data.num_workers=0", "data.batch_size=2", "data.splits.train.length=2", tiny="hovernet",
    )  # fmt: skip
    data: TileDataModule = instantiate(cfg.data)
    assert data.augment.needs_donor
    assert next(iter(data.train_dataloader()))["image"].shape == (2, 3, 128, 128)


def normalised(composed: Compose, tmp_path: Path, images: list[Record], method: str) -> list[str]:
    path = tmp_path / "target.png"
    cv2.imwrite(str(path), read(images, 2)[..., ::-1])
    return [f"model/normalise={method}", f"model.normalise.target={path}"]


@pytest.mark.parametrize("method", METHODS)
def test_training_validation_test_and_prediction_see_the_same_image(
    composed: Compose, tmp_path: Path, images: list[Record], method: str
) -> None:
    settings = normalised(composed, tmp_path, images, method)
    small = ["data.num_workers=0", "data.batch_size=1", "data/augment=none"]
    lengths = [f"data.splits.{split}.length=1" for split in ("train", "val", "test")]
    same = ["data.splits.val.split=train", "data.splits.test.split=train"]
    common = ["model=hovernet", "data=synthetic", *settings, *small, *lengths, *same]
    cfg = composed("train", *common, tiny="hovernet")
    module = checkpoint.build(cfg).eval()
    data = build_data(cfg, module)
    assert isinstance(data, TileDataModule)
    raw = data.records("train")[0]["image"]
    assert module.normalise is not None
    want = torch.from_numpy(module.normalise(raw)).permute(2, 0, 1).float() / 255
    assert (want * 255 - torch.from_numpy(raw).permute(2, 0, 1)).abs().mean() > 3
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        torch.testing.assert_close(widened(next(iter(loader)))["image"][0], want)

    # a checkpoint, on a machine that has the target no more
    content = {"state_dict": module.state_dict()}
    module.on_save_checkpoint(content)
    torch.save(content, tmp_path / "a.ckpt")
    (tmp_path / "target.png").unlink()
    stored = checkpoint.stored_config(tmp_path / "a.ckpt")
    assert stored.model.normalise.target is None
    predict = composed("predict", "model=hovernet", "data=synthetic", tiny="hovernet")
    predict.model, predict.ckpt = stored.model, str(tmp_path / "a.ckpt")
    predict.save_maps = True
    loaded = load(predict)
    got = predict_image(loaded, raw, "x", predict)
    module.normalise = None
    plain = module.infer(want[None], batch_size=predict.batch_size)
    torch.testing.assert_close(torch.from_numpy(got.maps["np"]), plain["np"][0])
    np.testing.assert_array_equal(got.image, raw)

    # other data bring no normalisation of their own
    again = build_data(composed("train", "model=hovernet", "data=synthetic", *small), loaded)
    assert again.normalise is loaded.normalise


def test_statistics_may_be_given(images: list[Record]) -> None:
    image = read(images, 0)
    given = StainNormaliser("reinhard", statistics={"mean": [60, 20, -15], "std": [9, 6, 5]})
    tissue = image.min(axis=2) <= 206
    lab = cv2.cvtColor(given(image).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[tissue]
    np.testing.assert_allclose(lab.mean(axis=0), [60, 20, -15], atol=0.5)
    np.testing.assert_allclose(lab.std(axis=0), [9, 6, 5], atol=0.5)
    again = StainNormaliser("reinhard", **given.settings())
    np.testing.assert_array_equal(again(image), given(image))
    glass = np.full((9, 9, 3), 255, np.uint8)
    assert given(glass) is glass


def test_what_cannot_be_a_target_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "glass.png"), np.full((64, 64, 3), 255, np.uint8))
    with pytest.raises(ContractError, match="take another target"):
        StainNormaliser("macenko", target=str(tmp_path / "glass.png"))
    with pytest.raises(ValueError, match="needs a target"):
        StainNormaliser("macenko")
    with pytest.raises(ValueError, match="are not of reinhard"):
        StainNormaliser("reinhard", statistics={"stains": [], "strongest": []})
    with pytest.raises(ValueError, match="'vahadane' is unknown"):
        StainTransfer("vahadane")
    good = StainNormaliser("reinhard", statistics={"mean": [60, 20, -15], "std": [9, 6, 5]})
    with pytest.raises(ValueError, match="RGB image"):
        good(np.zeros((8, 8, 4), np.uint8))
