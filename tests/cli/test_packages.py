"""histoseg installed from a wheel, and a user's package beside it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from conftest import CONF, ROOT

from .conftest import HERE, Call

MINE = HERE / "mypkg" / "conf"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, unpacked where nothing of the checkout is near."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run([sys.executable, *build], check=True, capture_output=True)
    (wheel,) = folder.glob("histoseg-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def python(installed: Path, *args: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        cwd=installed.parent,
        env=environment,
        check=True,
    )
    return done.stdout


def test_a_wheel_carries_every_configuration_and_nothing_else_of_the_checkout(
    installed: Path,
) -> None:
    shipped = {p.relative_to(CONF) for p in CONF.rglob("*.yaml")}
    assert {p.relative_to(installed / "histoseg" / "conf") for p in installed.rglob("*.yaml")} == (
        shipped
    )
    assert {p.name.split("-")[0] for p in installed.iterdir()} == {"histoseg"}


def test_a_wheel_helps_and_composes_from_any_folder(installed: Path) -> None:
    assert "predict" in python(installed, "-m", "histoseg", "--help")
    where = python(installed, "-c", "from histoseg.cli.conf import CONF; print(CONF)")
    assert where.strip() == str(installed / "histoseg" / "conf")
    command = ["train", "model=hovernet", "data=synthetic", "trainer=ddp_cpu", "--cfg", "job"]
    assert "_target_: histoseg.modules.HoVerNet" in python(installed, "-m", "histoseg", *command)


@pytest.mark.parametrize(
    "where", [["--config-dir", str(MINE)], [f"hydra.searchpath=[file://{MINE}]"]]
)
def test_a_users_configurations_are_found_beside_ours(where: list[str], histoseg_: Call) -> None:
    said = histoseg_("train", "model=pixelwise", "data=discs", "--cfg", "job", *where)
    assert said.code == 0, said.err
    assert "mypkg.Pixelwise" in said.out
    assert "torch.optim.SGD" in said.out, "his model uses our optimiser"
