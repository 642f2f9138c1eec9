"""Who may import whom (docs/architecture.md, section 3): the table lives here, once."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "histoseg"
GROUND = {"contracts", "errors"}
MAY_IMPORT = {
    "ops": set(),
    **{
        room: {"ops"}
        for room in (
            "slides",
            "annotations",
            "writers",
            "networks",
            "weights",
            "targets",
            "losses",
            "postprocess",
            "metrics",
            "analysis",
            "registration",
        )
    },
    "data": {"ops", "slides", "annotations"},
    "prepare": {"ops", "slides", "annotations", "writers"},
    "modules": {"ops", "networks", "weights", "targets", "losses", "postprocess", "metrics"},
    "callbacks": {"ops", "slides", "writers", "metrics"},
}
BELOW_ENGINE = set(MAY_IMPORT)
MAY_IMPORT["engine"] = BELOW_ENGINE
MAY_IMPORT["cli"] = {"engine"}
CONFINED = {
    "pytorch_lightning": {"data", "modules", "callbacks", "engine"},
    "hydra": {"engine", "cli"},
    "omegaconf": {"engine", "cli"},
    "albumentations": {"data"},
    "zarr": {"writers", "data"},
    "tifffile": {"slides", "annotations", "writers", "prepare", "data"},
    "openslide": {"slides"},
    "pydicom": {"slides", "writers"},
    "SimpleITK": {"registration"},
}
FILES = sorted(SRC.rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the room's name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SRC).as_posix())
def test_imports_flow_one_way(path: Path) -> None:
    parts = path.relative_to(SRC).parts
    room = parts[0].removesuffix(".py")
    for name in imported_modules(path):
        top, _, rest = name.partition(".")
        if top in CONFINED and len(parts) > 1:
            assert room in CONFINED[top], f"{room} may not import {top}"
        other = rest.split(".")[0]
        if top != "histoseg" or len(parts) == 1 or other in GROUND | {room, "__version__"}:
            continue
        assert other in MAY_IMPORT[room], f"{room} may not import {other}"


def test_the_ground_floor_imports_nothing_of_ours() -> None:
    for path in (SRC / "errors.py", *(SRC / "contracts").glob("*.py")):
        ours = {m for m in imported_modules(path) if m.startswith("histoseg")}
        assert all(m.startswith("histoseg.contracts.") for m in ours)
