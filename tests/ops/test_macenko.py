import numpy as np
import pytest

from histoseg.contracts import Array
from histoseg.ops.macenko import Macenko

HE = np.array([[0.65, 0.70, 0.29], [0.10, 0.95, 0.30]])
OTHER = np.array([[0.55, 0.75, 0.37], [0.25, 0.85, 0.46]])


def unit(stains: Array) -> Array:
    return stains / np.linalg.norm(stains, axis=1, keepdims=True)


def amounts(seed: int = 0, side: int = 80) -> Array:
    """Amounts of two stains: mixtures, and some pixels of each stain alone."""
    rng = np.random.default_rng(seed)
    mixed = rng.uniform(0.3, 1.2, (side, side, 2))
    mixed[:4, :, 1] = mixed[4:8, :, 0] = 0
    mixed[:8] += 0.3 * (mixed[:8] > 0)  # thick enough in every channel to be tissue
    return mixed


def render(stains: Array, of: Array) -> Array:
    """Light through the stains, float32 in [0, 1], on Macenko's scale (glass 240)."""
    return ((240 * np.exp(-of @ unit(stains)) - 1) / 255).clip(0, 1).astype(np.float32)


def in_bytes(image: Array) -> Array:
    return np.rint(255 * image).astype(np.uint8)


@pytest.mark.parametrize("stains", [HE, OTHER, HE[::-1]])
def test_stains_that_were_put_in_are_found(stains: Array) -> None:
    # eosin alone lets red light pass: it counts as tissue where it is strong
    found = Macenko.of(render(stains, 2 * amounts()))
    assert found is not None
    want = unit(HE if stains[1, 0] > stains[0, 0] else stains)
    np.testing.assert_allclose(found.stains, want, atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(found.stains, axis=1), 1)


def test_bytes_are_enough() -> None:
    image = render(HE, amounts() * [1, 2])
    a, b = Macenko.of(image), Macenko.of(in_bytes(image))
    np.testing.assert_allclose(a.stains, b.stains, atol=0.02)
    np.testing.assert_allclose(a.strongest, b.strongest, rtol=0.03)


def test_an_image_with_the_stains_of_another_is_what_its_amounts_look_like_in_them() -> None:
    of = amounts() * [1, 2]
    own = Macenko(unit(HE), np.array([1.0, 2.0]))
    target = Macenko(unit(OTHER), np.array([1.5, 1.0]))
    got = target.given_to(render(HE, of), own)
    np.testing.assert_allclose(got, render(OTHER, of * [1.5, 0.5]), atol=1e-5)
    as_bytes = target.given_to(in_bytes(render(HE, of)), own)
    assert as_bytes.dtype == np.uint8
    np.testing.assert_allclose(as_bytes, 255 * got, atol=3)


def test_its_own_stains_change_nothing() -> None:
    image = in_bytes(render(HE, amounts() * [1, 2]))
    own = Macenko.of(image)
    assert np.abs(own.given_to(image, own).astype(int) - image).max() <= 2


def test_glass_around_the_tissue_changes_nothing_and_stays_bright() -> None:
    tissue = render(HE, amounts() * [1, 2])
    wide = np.ones((400, 400, 3), np.float32)
    wide[100:180, 50:130] = tissue
    a, b = Macenko.of(tissue), Macenko.of(wide)
    np.testing.assert_allclose(a.stains, b.stains, atol=1e-6)
    np.testing.assert_allclose(a.strongest, b.strongest, rtol=1e-6)
    target = Macenko(unit(OTHER), np.array([2.0, 2.0]))
    assert target.given_to(in_bytes(wide), b)[:90].min() > 225


@pytest.mark.parametrize(
    "image",
    [
        np.full((64, 64, 3), 255, np.uint8),
        np.zeros((64, 64, 3), np.uint8),
        np.full((64, 64, 3), 120, np.uint8),
        np.full((1, 1, 3), 90, np.uint8),
        np.full((64, 64, 3), (200, 255, 255), np.uint8),
        np.ones((64, 64, 3), np.float32),
        render(HE[:1], amounts()[..., :1]),
    ],
    ids=["glass", "black", "gray", "one pixel", "one channel", "float glass", "one stain"],
)
def test_an_image_without_two_stains_has_none(image: Array) -> None:
    assert Macenko.of(image) is None


def test_noise_and_saturation_stay_in_range() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    target = Macenko(unit(HE), np.array([50.0, 1e-3]))
    own = Macenko(unit(OTHER), np.array([1e-3, 50.0]))
    for image in (noise, noise.astype(np.float32) / 255):
        got = target.given_to(image, own)
        assert got.dtype == image.dtype
        assert np.isfinite(got).all()
        assert got.min() >= 0
        assert got.max() <= (255 if image.dtype == np.uint8 else 1)


def test_a_large_image_is_changed_as_its_parts_are() -> None:
    image = in_bytes(render(HE, amounts(side=1200) * [1, 2]))
    own = Macenko.of(image)
    target = Macenko(unit(OTHER), np.array([1.0, 1.0]))
    whole = target.given_to(image, own)
    np.testing.assert_array_equal(whole[870:880], target.given_to(image[870:880], own))


def test_a_configuration_keeps_it_all() -> None:
    own = Macenko.of(render(HE, amounts() * [1, 2]))
    again = Macenko.from_plain(**own.plain())
    np.testing.assert_allclose(again.stains, own.stains)
    np.testing.assert_allclose(again.strongest, own.strongest)
    for wrong in (([[1, 0, 0]], [1, 1]), (HE.tolist(), [1]), (HE.tolist(), [0, 1])):
        with pytest.raises(ValueError, match="two rows of three"):
            Macenko.from_plain(*wrong)


def test_it_finds_what_torchstain_finds() -> None:
    """torchstain 1.4.1 (numpy) on the same image: stains, and amounts where all is tissue."""
    y, x = np.mgrid[:64, :64]
    of = np.stack([0.7 + 0.4 * np.sin(x / 5), 1.9 + 0.5 * np.cos(y / 7)], axis=-1)
    image = in_bytes(render(HE, of))
    found = Macenko.of(image)
    np.testing.assert_allclose(found.stains, TORCHSTAIN_STAINS, atol=1e-5)
    np.testing.assert_allclose(found.strongest, TORCHSTAIN_STRONGEST, rtol=1e-5)


TORCHSTAIN_STAINS = [[0.35333252, 0.88273041, 0.30974691], [0.16569041, 0.93818627, 0.30389672]]
TORCHSTAIN_STRONGEST = [2.41207566, 2.6296691]
