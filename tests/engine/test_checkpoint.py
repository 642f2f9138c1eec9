import os
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from conftest import Compose
from histoseg.engine import checkpoint
from histoseg.errors import CheckpointError


@pytest.fixture
def cfg(composed: Compose) -> DictConfig:
    return composed("train", "model=hovernet", "data=synthetic", tiny="hovernet")


def saved(cfg: DictConfig, path: Path) -> Path:
    """A checkpoint as Lightning writes it, without training."""
    module = checkpoint.build(cfg)
    content = {"state_dict": module.state_dict()}
    module.on_save_checkpoint(content)
    torch.save(content, path)
    return path


def test_model_and_data_are_rebuilt_from_the_file_alone(cfg: DictConfig, tmp_path: Path) -> None:
    path = saved(cfg, tmp_path / "a.ckpt")
    stored = checkpoint.stored_config(path)
    assert stored.model.classes == cfg.data.classes, "facts are resolved"
    again = checkpoint.build(stored)
    checkpoint.load_weights(again, path)
    want = torch.load(path, weights_only=True)["state_dict"]
    assert all(torch.equal(v, want[k]) for k, v in again.state_dict().items())


def test_a_checkpoint_cut_in_half_is_refused_by_name(cfg: DictConfig, tmp_path: Path) -> None:
    path = saved(cfg, tmp_path / "half.ckpt")
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(CheckpointError, match=r"half\.ckpt"):
        checkpoint.read(path)


def test_a_file_that_is_no_checkpoint_of_ours_is_refused(tmp_path: Path) -> None:
    torch.save({"desc": {}}, tmp_path / "theirs.tar")
    with pytest.raises(CheckpointError, match=r"model\.pretrained"):
        checkpoint.read(tmp_path / "theirs.tar")
    (tmp_path / "text.ckpt").write_text("hello")
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.read(tmp_path / "text.ckpt")


def test_a_pickle_that_would_run_code_is_not_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'boom'}",)

    torch.save({"histoseg": Bomb()}, tmp_path / "bomb.ckpt")
    with pytest.raises(CheckpointError):
        checkpoint.read(tmp_path / "bomb.ckpt")
    assert not (tmp_path / "boom").exists()


def test_a_stored_configuration_cannot_name_foreign_code(cfg: DictConfig, tmp_path: Path) -> None:
    path = saved(cfg, tmp_path / "a.ckpt")
    content = torch.load(path, weights_only=True)
    content["histoseg"]["data"]["augment"]["transforms"] = {"x": {"_target_": "os.PathLike"}}
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"os\.PathLike.*trust=\[os\]"):
        checkpoint.stored_config(path)
    assert checkpoint.stored_config(path, trust=("os",)).data.augment.transforms.x


def test_foreign_code_is_not_reached_through_our_own_modules(
    cfg: DictConfig, tmp_path: Path
) -> None:
    path = saved(cfg, tmp_path / "a.ckpt")
    content = torch.load(path, weights_only=True)
    for target in ("histoseg.data.splits.Path", "histoseg.data.splits.save_splits"):
        content["histoseg"]["model"]["network"]["encoder"] = {"_target_": target}
        torch.save(content, path)
        with pytest.raises(CheckpointError, match="no class of histoseg"):
            checkpoint.stored_config(path)


def test_a_loss_may_be_named_but_not_what_its_file_imports(cfg: DictConfig, tmp_path: Path) -> None:
    path = saved(cfg, tmp_path / "a.ckpt")
    named = checkpoint.stored_config(path).model.losses.np_bce
    assert named._target_ == "histoseg.losses.cross_entropy"
    content = torch.load(path, weights_only=True)
    for target in ("histoseg.losses.gradient.torch.load", "histoseg.losses.gradient.torch"):
        content["histoseg"]["model"]["losses"]["np_bce"] = {"_target_": target}
        torch.save(content, path)
        with pytest.raises(CheckpointError, match="no class of histoseg"):
            checkpoint.stored_config(path)


def test_weights_of_another_architecture_are_refused(
    cfg: DictConfig, tmp_path: Path, composed: Compose
) -> None:
    path = saved(cfg, tmp_path / "a.ckpt")
    other = composed(
        "train", "model=hovernet", "data=synthetic", "model.classes=[]", tiny="hovernet"
    )
    with pytest.raises(CheckpointError, match="do not fit HoVerNet"):
        checkpoint.load_weights(checkpoint.build(other), path)


def test_a_run_folder_stands_for_its_best_else_its_newest(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        checkpoint.find(tmp_path)
    last = tmp_path / "all" / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.touch()
    assert checkpoint.find(tmp_path) == last
    (tmp_path / "best.ckpt").touch()
    assert checkpoint.find(tmp_path) == tmp_path / "best.ckpt"


def test_pretrained_weights_of_ours_fit_other_classes(
    cfg: DictConfig, tmp_path: Path, composed: Compose
) -> None:
    path = saved(cfg, tmp_path / "a.ckpt")
    other = composed(
        "train", "model=hovernet", "data=synthetic", "model.classes=[a,b]", "model.colours=[]",
        f"model.pretrained={path}", tiny="hovernet",
    )  # fmt: skip
    ours = torch.load(path, weights_only=True)["state_dict"]
    theirs = checkpoint.build(other).state_dict()
    assert torch.equal(theirs["network.conv_bot.weight"], ours["network.conv_bot.weight"])
    assert theirs["network.decoder.tp.u0.conv.weight"].shape[0] == 3


def test_weights_that_learned_on_normalised_stains_say_so_elsewhere(
    tmp_path: Path, composed: Compose, caplog: pytest.LogCaptureFixture
) -> None:
    args = ["train", "model=hovernet", "data=synthetic"]
    path = saved(composed(*args, "model/normalise=macenko", tiny="hovernet"), tmp_path / "a.ckpt")
    given = f"model.pretrained={path}"
    checkpoint.build(composed(*args, given, "model/normalise=macenko", tiny="hovernet"))
    assert "normalised" not in caplog.text
    checkpoint.build(composed(*args, given, tiny="hovernet"))
    assert "normalised stains (macenko)" in caplog.text
