"""Pictures by DeepLIIF's tiling, through a module: truncation, places, thresholds."""

from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from fakes.translators import Darkness, Swapped
from histoseg.contracts import Maps
from histoseg.engine.predict_image import predict_image
from histoseg.modules.base import Outputs
from histoseg.postprocess.decoder import Decoder

CFG: dict[str, Any] = {
    "precision": "32-true", "overlap": None, "batch_size": 4, "mpp": None, "save_maps": True,
    "stains": True, "tiling": "deepliif", "tile_size": None,
}  # fmt: skip


class Tanh(Swapped):
    """Its input as a network with tanh sees and gives it: -1 to 1."""

    @property
    def decoder(self) -> Decoder:
        return Decoder(stains=("swapped",), truncate=True)

    def maps(self, outputs: Outputs) -> Maps:
        return {"swapped": ((outputs["swapped"] - 0.5) / 0.5 + 1) / 2}


def test_values_are_truncated_as_in_the_original() -> None:
    """Of the 256 values 63 come back one lower."""
    gray = np.tile(np.arange(256, dtype=np.uint8).reshape(16, 16), (3, 6))
    image = np.stack([gray, gray.T.reshape(48, 96), gray[::-1]], axis=-1)
    module = Tanh(margin=0).eval()
    got = predict_image(module, image, "a", OmegaConf.create(CFG)).stains["swapped"]
    lower = image[..., ::-1].astype(int) - got
    assert set(np.unique(lower)) == {0, 1}
    assert len(np.unique(image[..., 0][lower[..., 0] == 1])) == 63


def test_a_picture_by_both_tilings() -> None:
    image = np.random.default_rng(0).integers(0, 256, (100, 130, 3), dtype=np.uint8)
    module = Swapped(margin=0).eval()
    plain = predict_image(module, image, "a", OmegaConf.create(CFG | {"tiling": "blended"}))
    got = predict_image(module, image, "a", OmegaConf.create(CFG))
    np.testing.assert_array_equal(got.stains["swapped"], image[..., ::-1])
    np.testing.assert_array_equal(got.stains["swapped"], plain.stains["swapped"])
    np.testing.assert_allclose(got.maps["swapped"], plain.maps["swapped"], atol=1e-6)
    assert got.kinds == {"stains"}
    assert len(got.instances) == 0


def test_the_tile_follows_the_resolution() -> None:
    y, x = np.mgrid[:90, :120]
    image = np.stack([x * 2, y * 2, x + y], axis=-1).astype(np.uint8)
    module = Swapped(margin=0).eval()
    sizes: list[int] = []
    seen = module.forward
    module.forward = lambda batch: (sizes.append(len(batch["image"])), seen(batch))[1]  # type: ignore[method-assign]
    for change, tiles in (({"mpp": 0.5}, 4 * 6), ({"tile_size": 60}, 2 * 3), ({}, 2 * 3)):
        sizes.clear()
        got = predict_image(module, image, "a", OmegaConf.create(CFG | {"batch_size": 1} | change))
        assert len(sizes) == tiles, change
        assert np.abs(got.stains["swapped"].astype(int) - image[..., ::-1]).max() <= 3


def test_models_that_give_no_pictures_are_refused() -> None:
    image = np.zeros((48, 48, 3), np.uint8)
    for module in (Darkness(margin=0), Swapped()):
        with pytest.raises(ValueError, match="tiling=deepliif is for models that translate"):
            predict_image(module.eval(), image, "a", OmegaConf.create(CFG))
