import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[2] / "shared"


def shared(variable: str, name: str) -> Path:
    path = Path(os.environ.get(variable, BESIDE / name))
    if not path.is_dir():
        pytest.skip(f"no folder {name}: set {variable} to where it is")
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    return shared("HISTOSEG_SHARED_DATA", "data")


@pytest.fixture(scope="session")
def shared_golden() -> Path:
    return shared("HISTOSEG_SHARED_GOLDEN", "golden")
