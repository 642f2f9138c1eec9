import os
from pathlib import Path

import pytest


def _shared(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable, Path(__file__).parents[2] / "shared" / default))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}: set {variable}")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    return _shared("HISTOSEG_SHARED_DATA", "data")


@pytest.fixture(scope="session")
def shared_golden() -> Path:
    return _shared("HISTOSEG_SHARED_GOLDEN", "golden")
