"""Fixtures that every room uses."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytorch_lightning as pl
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

hypothesis.settings.register_profile("untimed", deadline=None)  # machines are noisy
hypothesis.settings.load_profile("untimed")
ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"
Compose = Callable[..., DictConfig]


def _shared(variable: str, folder: str) -> Path:
    path = Path(os.environ.get(variable, ROOT.parent / "shared" / folder))
    if not path.is_dir():
        pytest.skip(f"no shared folder at {path}; set {variable}")
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real images, outside the repository."""
    return _shared("HISTOSEG_SHARED_DATA", "data")


@pytest.fixture(scope="session")
def shared_golden() -> Path:
    """Outputs of the original implementations, outside the repository."""
    return _shared("HISTOSEG_SHARED_GOLDEN", "golden")


@pytest.fixture(autouse=True)
def _seed() -> None:
    pl.seed_everything(0, verbose=False)


@pytest.fixture
def composed(tmp_path: Path) -> Iterator[Compose]:
    """Compose a shipped configuration as the command line would."""

    def build(root: str, *overrides: str, tiny: str | None = None) -> DictConfig:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(CONF), version_base="1.3"):
            own = [f"paths.run={tmp_path / 'run'}", f"name={root}"]
            own += ["report=false"] if root == "train" else []  # a second each
            small = tiny_overrides(tiny) if tiny else []
            return compose(root, [*own, *small, *overrides])

    yield build
    GlobalHydra.instance().clear()


def tiny_overrides(model: str) -> list[str]:
    """What makes a model small enough for a CPU test, from ``tests/tiny/<model>.yaml``."""
    path = ROOT / "tests" / "tiny" / f"{model}.yaml"
    assert path.is_file(), f"add {path.relative_to(ROOT)}: overrides that make {model} small"
    return list(OmegaConf.load(path))
