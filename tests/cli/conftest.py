"""The command line in this process: everything but the seconds that importing torch takes."""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from joblib.externals.loky import get_reusable_executor

import histoseg.cli
from conftest import ROOT, Compose, tiny_overrides
from histoseg.engine import checkpoint, plain_errors

HERE = Path(__file__).parent
MINE = ("--config-dir", str(HERE / "mypkg" / "conf"))


@dataclass(frozen=True)
class Said:
    """What a command left in the shell."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The error, which has to be there, as one paragraph and without a trace."""
        assert self.code == 1, self.out + self.err
        assert "Traceback" not in self.err
        _, _, text = self.err.rpartition("histoseg: ")
        assert text, self.err
        return text


Call = Callable[..., Said]
Trained = Callable[..., Path]


def call(*args: object, cwd: Path) -> Said:
    """Run ``histoseg`` with arguments."""
    out, err = io.StringIO(), io.StringIO()
    handlers = list(logging.root.handlers)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["histoseg", *map(str, args)])
        for name in (plain_errors.TRACE, plain_errors.OURS):
            patch.setenv(name, "")  # what the command sets is undone afterwards
            patch.delenv(name)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = _exit_code(err)
    for handler in set(logging.root.handlers) - set(handlers):
        logging.root.removeHandler(handler)
        handler.close()
    return Said(code, out.getvalue(), err.getvalue())


def _exit_code(err: io.StringIO) -> int:
    try:
        histoseg.cli.main()
    except SystemExit as end:
        if isinstance(end.code, str):
            err.write(end.code)
        return 1 if isinstance(end.code, str) else int(end.code or 0)
    return 0


@pytest.fixture
def histoseg_(tmp_path: Path) -> Call:
    """The command, in a folder of its own."""
    return lambda *args: call(*args, cwd=tmp_path)


@pytest.fixture
def trained(composed: Compose, tmp_path: Path) -> Trained:
    """A checkpoint whose training took no step, in the folder of the command."""

    def build(model: str = "ihc_generator", *more: str, data: str = "deepliif_strips") -> Path:
        cfg = composed("train", f"model={model}", f"data={data}", *more, tiny=model)
        module = checkpoint.build(cfg)
        path = tmp_path / f"{model}.ckpt"
        torch.save({"histoseg": module.recipe, "state_dict": module.state_dict()}, path)
        return path

    return build


@pytest.fixture(scope="session", autouse=True)
def _mypkg() -> Iterator[None]:
    """The user's package can be imported, here and in processes that are started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        paths = [str(HERE), str(ROOT / "tests"), str(ROOT / "src"), os.environ.get("PYTHONPATH")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        yield


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, _mypkg: None) -> Path:
    """A run of the user's model, which finds every disc."""
    folder = tmp_path_factory.mktemp("mine")
    said = call("train", *MINE, "experiment=quick", "hydra.run.dir=run", cwd=folder)
    assert said.code == 0, said.err
    return folder / "run"


@pytest.fixture(scope="session")
def hovernet_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a narrow HoVer-Net, which has seen twenty batches and finds something."""
    folder = tmp_path_factory.mktemp("hovernet")
    said = call(
        "train", "model=hovernet", "data=synthetic", *tiny_overrides("hovernet"), "~phases",
        "data/augment=none", "data.batch_size=4", "data.num_workers=0", "logger=csv",
        "data.splits.train.length=8", "data.splits.val.length=2", "data.splits.test.length=2",
        "trainer.max_epochs=10", "trainer.check_val_every_n_epoch=10", "model.optimizer.lr=3e-3",
        "trainer.num_sanity_val_steps=0", "trainer.enable_progress_bar=false",
        "trainer.enable_model_summary=false", "test=false", "hydra.run.dir=run",
        cwd=folder,
    )  # fmt: skip
    assert said.code == 0, said.err
    return folder / "run"


@pytest.fixture
def jobs() -> Iterator[None]:
    """Processes of joblib that end with the test: it keeps them, in the folder of that test."""
    yield
    get_reusable_executor().shutdown(wait=True)
