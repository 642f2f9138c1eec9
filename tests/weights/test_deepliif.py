from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from histoseg import networks
from histoseg.errors import CheckpointError, UnreadableFileError
from histoseg.networks.blocks.tile_statistics import with_tile_statistics
from histoseg.weights.deepliif import DeepLIIFFolder, read_deepliif, write_deepliif
from histoseg.weights.layers import Layout, StoredNetwork
from histoseg.weights.patchgan_layout import PatchGANLayout
from histoseg.weights.resnet_layout import ResnetLayout
from histoseg.weights.translators import to_official
from histoseg.weights.unet_layout import UNetLayout

TRANSLATOR = ResnetLayout(width=2, blocks=2)
SEGMENTER = UNetLayout(width=1, depth=5)
CRITIC = PatchGANLayout(inputs=6, width=1, layers=4)
WEIGHTS = (0.3, 0.1, 0.2, 0.15, 0.25)
PUBLISHED, TRAINING = (0.5, 0.0, 0.0, 0.0, 0.5), (0.25, 0.15, 0.25, 0.1, 0.25)


def build(layout: Layout) -> nn.Module:
    network: nn.Module = getattr(networks, layout.network)(**vars(layout))
    return network


def several(layout: Layout, count: int) -> tuple[StoredNetwork, ...]:
    return tuple(StoredNetwork(layout, build(layout).state_dict()) for _ in range(count))


def model(count: int = 4, **changes: Any) -> DeepLIIFFolder:
    whole = DeepLIIFFolder(
        several(TRANSLATOR, count),
        several(SEGMENTER, count + 1),
        modalities=("Hema", "DAPI", "Lap2", "Marker")[:count],
        seg_weights=WEIGHTS if count == 4 else (1 / (count + 1),) * (count + 1),
    )
    return replace(whole, **changes)


def assert_equal(read: DeepLIIFFolder, written: DeepLIIFFolder) -> None:
    for group in ("translators", "segmenters", "translator_critics", "segmenter_critics"):
        there, here = getattr(read, group), getattr(written, group)
        assert len(there) == len(here)
        for one, other in zip(there, here, strict=True):
            assert one.layout == other.layout
            assert list(one.weights) == list(other.weights)
            assert all(torch.equal(one.weights[k], v) for k, v in other.weights.items())
    for fact in ("inputs", "modalities", "seg_weights", "tile", "backgrounds"):
        assert getattr(read, fact) == getattr(written, fact)


@pytest.mark.parametrize(
    ("scheme", "names"),
    [
        ("old", ["G1", "G2", "G3", "G4", "G51", "G52", "G53", "G54", "G55"]),
        ("new", ["G1", "G2", "G3", "G4", "GS0", "GS1", "GS2", "GS3", "GS4"]),
    ],
)
@pytest.mark.parametrize("epoch", ["latest", "iter_300", 12])
def test_there_and_back(tmp_path: Path, scheme: Any, names: list[str], epoch: str | int) -> None:
    grounds = ((1, 2, 3), (4, 5, 6), (0, 0, 0), (255, 8, 9))
    written = model(tile=256, options={"lr_g": 0.0002}, backgrounds=grounds)
    write_deepliif(tmp_path / "there", written, scheme, epoch)
    files = {path.name for path in (tmp_path / "there").iterdir()}
    assert files == {f"{epoch}_net_{name}.pth" for name in names} | {"train_opt.txt"}
    read = read_deepliif(tmp_path / "there", epoch)
    assert_equal(read, written)
    assert read.options["lr_g"] == 0.0002
    write_deepliif(tmp_path / "back", read, scheme, epoch)
    for path in (tmp_path / "there").iterdir():
        assert path.read_bytes() == (tmp_path / "back" / path.name).read_bytes()


@pytest.mark.parametrize("scheme", ["old", "new"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_any_number_of_modalities(tmp_path: Path, scheme: Any, count: int) -> None:
    written = model(count)
    write_deepliif(tmp_path, written, scheme)
    assert_equal(read_deepliif(tmp_path), written)
    (tmp_path / "train_opt.txt").unlink()
    bare = read_deepliif(tmp_path)
    assert bare.modalities == tuple(f"mod{i + 1}" for i in range(count))
    assert_equal(bare, replace(written, inputs=("input1",), modalities=bare.modalities))


def test_without_segmenters_and_of_two_panels(tmp_path: Path) -> None:
    two = replace(TRANSLATOR, inputs=6)
    written = DeepLIIFFolder(several(two, 11), (), ("a", "b"), tuple("cdefghijklm"))
    write_deepliif(tmp_path, written)
    assert_equal(read_deepliif(tmp_path), written)
    (tmp_path / "train_opt.txt").unlink()
    bare = read_deepliif(tmp_path)
    assert bare.inputs == ("input1", "input2")
    assert len(bare.translators) == 11
    with pytest.raises(ValueError, match="choose 'new'"):
        write_deepliif(tmp_path, written, "old")


def test_discriminators_are_read_when_asked_for(tmp_path: Path) -> None:
    written = model(1, translator_critics=several(CRITIC, 1), segmenter_critics=several(CRITIC, 2))
    write_deepliif(tmp_path, written, "old")
    assert (tmp_path / "latest_net_D21.pth").is_file()
    assert read_deepliif(tmp_path).translator_critics == ()
    assert_equal(read_deepliif(tmp_path, critics=True), written)
    (tmp_path / "latest_net_D22.pth").unlink()
    with pytest.raises(FileNotFoundError, match="lacks the networks D22"):
        read_deepliif(tmp_path, critics=True)


@pytest.mark.parametrize(
    "layouts",
    [
        (replace(TRANSLATOR, padding="reflect", dropout=0.0, upsampling="resize_conv"), SEGMENTER),
        (replace(TRANSLATOR, norm="spectral"), replace(SEGMENTER, norm="none")),
        (replace(TRANSLATOR, norm="instance", blocks=1), replace(SEGMENTER, norm="instance")),
        (UNetLayout(width=1, depth=6), SEGMENTER),
    ],
    ids=str,
)
def test_all_is_detected_without_options(tmp_path: Path, layouts: tuple[Layout, Layout]) -> None:
    written = model(translators=several(layouts[0], 4), segmenters=several(layouts[1], 5))
    write_deepliif(tmp_path, written, "new")
    (tmp_path / "train_opt.txt").unlink()
    assert_equal(read_deepliif(tmp_path), replace(written, seg_weights=TRAINING))


def test_what_keys_cannot_tell_is_in_the_options(tmp_path: Path) -> None:
    layout = replace(TRANSLATOR, padding="replicate")
    written = model(1, translators=several(layout, 1))
    write_deepliif(tmp_path, written)
    assert_equal(read_deepliif(tmp_path), written)
    (tmp_path / "train_opt.txt").unlink()
    assert vars(read_deepliif(tmp_path).translators[0].layout)["padding"] == "reflect"


@pytest.mark.parametrize(
    ("scheme", "options", "expected"),
    [
        ("old", None, PUBLISHED),
        ("new", None, TRAINING),
        ("old", "seg_weights: [0.25, 0.15, 0.25, 0.1, 0.25]", PUBLISHED),
        ("old", "targets_no: 5", PUBLISHED),
        ("new", "modalities_names: []\nseg_weights: [0.3, 0.1, 0.2, 0.15, 0.25]", WEIGHTS),
        ("new", "modalities_names: []", TRAINING),
        ("old", "modalities_names: ['a', 'b', 'c', 'd', 'e']\nseg_weights: [1, 0, 0, 0, 0]", None),
    ],
)
def test_weights_of_the_sum_are_those_of_deepliifs_test(
    tmp_path: Path, scheme: Any, options: str | None, expected: tuple[float, ...] | None
) -> None:
    write_deepliif(tmp_path, model(), scheme)
    (tmp_path / "train_opt.txt").unlink()
    if options is not None:
        (tmp_path / "train_opt.txt").write_text(options)
    read = read_deepliif(tmp_path)
    assert read.seg_weights == (expected or (1.0, 0.0, 0.0, 0.0, 0.0))
    own = options is not None and "modalities_names" in options
    assert (read.inputs == ("IHC",)) != own
    assert (read.modalities == ("Hema", "DAPI", "Lap2", "Marker")) != own


def test_torchscript_files_without_running_statistics(
    tmp_path: Path, trace: Callable[..., dict[str, Tensor]]
) -> None:
    """As ``deepliif serialize`` writes them: norms use the statistics of the tile."""
    written = model(1)
    write_deepliif(tmp_path / "eager", written, "old")
    (tmp_path / "traced").mkdir()
    image = torch.rand(2, 3, 32, 32)
    for name, network in (("G1", written.translators[0]), ("G21", written.segmenters[0])):
        trace(Official(network), tmp_path / "traced" / f"{name}.pt")
    trace(Official(written.segmenters[1]), tmp_path / "traced" / "G22.pt")
    read = read_deepliif(tmp_path / "traced")
    for there, here in (
        (read.translators[0], written.translators[0]),
        (read.segmenters[1], written.segmenters[1]),
    ):
        assert (there.layout, there.has_statistics) == (here.layout, False)
        ours, original = build(there.layout), build(here.layout)
        ours.load_state_dict(there.weights)
        original.load_state_dict(here.weights)
        with torch.no_grad():
            out, expected = (with_tile_statistics(n)(image) for n in (ours, original))
        assert torch.equal(out, expected)
    with pytest.raises(FileNotFoundError, match="no networks of epoch '100'"):
        read_deepliif(tmp_path / "traced", 100)


class Official(nn.Module):
    """A module with the official keys, but for running statistics; what it computes is not used."""

    def __init__(self, network: StoredNetwork) -> None:
        super().__init__()
        for key, value in to_official(network).items():
            *path, last = key.split(".")
            place: nn.Module = self
            for name in path:
                if not hasattr(place, name):
                    place.add_module(name, nn.Module())
                place = getattr(place, name)
            if not last.startswith("running"):
                place.register_buffer(last, value)

    def forward(self, image: Tensor) -> Tensor:
        return image + torch.stack([b.sum() for b in self.buffers()]).sum()


def test_a_lacking_network_is_named(tmp_path: Path) -> None:
    write_deepliif(tmp_path, model(), "old")
    for name in ("G2", "G53"):
        path = tmp_path / f"latest_net_{name}.pth"
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(FileNotFoundError, match=f"lacks the networks {name}; it has G1"):
            read_deepliif(tmp_path)
        path.write_bytes(content)
    with pytest.raises(FileNotFoundError, match=r"epochs that are there: latest"):
        read_deepliif(tmp_path, 100)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        read_deepliif(tmp_path / "nowhere")


def test_networks_of_different_sizes_are_refused(tmp_path: Path) -> None:
    written = model()
    wide = several(replace(TRANSLATOR, width=4), 1)
    write_deepliif(tmp_path, replace(written, translators=written.translators[:3] + wide))
    with pytest.raises(
        CheckpointError, match=r"net_G4\.pth is of .*width=4.*net_G1\.pth is of .*width=2"
    ):
        read_deepliif(tmp_path)
    deep = several(replace(SEGMENTER, depth=6), 1)
    write_deepliif(tmp_path, replace(written, segmenters=written.segmenters[:4] + deep))
    with pytest.raises(CheckpointError, match=r"net_GS4\.pth is of .*depth=6"):
        read_deepliif(tmp_path)


def test_a_damaged_or_foreign_file_is_named(tmp_path: Path) -> None:
    write_deepliif(tmp_path, model(1), "old")
    path = tmp_path / "latest_net_G1.pth"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r"latest_net_G1\.pth .* cannot be read as weights"):
        read_deepliif(tmp_path)
    torch.save({"conv0./.weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"latest_net_G1\.pth: these are not the weights"):
        read_deepliif(tmp_path)
    path.rename(tmp_path / "latest_net_G_1.pth")
    with pytest.raises(CheckpointError, match="names of DeepLIIFExt, SDG or CycleGAN"):
        read_deepliif(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("modalities_no: many", "modalities_no of train_opt.txt is 'many'"),
        ("modalities_names: ['a', 'b']", "expected 1 names of inputs and 4 of modalities"),
        ("modalities_names: ['a']\nmodalities_no: 2", "expected 1 names"),
        ("modalities_names: []\nseg_weights: [1]", "expected 5 numbers"),
        ("modalities_names: []\nseg_weights: ['a', 1, 1, 1, 1]", "expected 5 numbers"),
        ("scale_size: big", "scale_size of train_opt.txt is 'big'"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path: Path, options: str, words: str) -> None:
    write_deepliif(tmp_path, model(), "old")
    (tmp_path / "train_opt.txt").write_text(options)
    with pytest.raises(CheckpointError, match=words):
        read_deepliif(tmp_path)


def test_code_in_options_is_refused(tmp_path: Path) -> None:
    write_deepliif(tmp_path, model(1), "old")
    (tmp_path / "train_opt.txt").write_text("model: DeepLIIF\nname: print(1)\n")
    with pytest.raises(UnreadableFileError, match=r"train_opt\.txt, line 2"):
        read_deepliif(tmp_path)


def test_parts_that_do_not_fit_are_not_written(tmp_path: Path) -> None:
    for changes, words in (
        ({"modalities": ("a",)}, "1 modalities came with 4 translators; expected 4"),
        ({"seg_weights": (1.0,)}, "1 seg_weights"),
        ({"segmenters": several(SEGMENTER, 2)}, "2 segmenters"),
        ({"translator_critics": several(CRITIC, 2)}, "2 translator_critics"),
    ):
        with pytest.raises(ValueError, match=words):
            write_deepliif(tmp_path / "x", model(**changes))
    with pytest.raises(CheckpointError, match="DeepLIIF has no generator like PatchGAN"):
        write_deepliif(tmp_path / "y", model(translators=several(CRITIC, 4)))
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "y").exists()
