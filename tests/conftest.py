import os
from pathlib import Path

import pytest

BESIDE = Path(__file__).parents[2] / "shared"


def _folder(variable: str, default: Path) -> Path:
    path = Path(os.environ.get(variable, default))
    if not path.is_dir():
        pytest.skip(f"no shared folder: set {variable}")
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    return _folder("HISTOSEG_SHARED_DATA", BESIDE / "data")


@pytest.fixture(scope="session")
def shared_golden() -> Path:
    return _folder("HISTOSEG_SHARED_GOLDEN", BESIDE / "golden")
