import os
import subprocess
import sys

import pytest

GLIBC = "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})
FAULTS = """
import resource
import numpy as np
from histoseg.engine.memory import keep_freed_memory

done = keep_freed_memory()
np.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(2**24)
print(done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def second_time(**environment: str) -> tuple[bool, int]:
    """Whether it was done, and the page faults of using 128 MiB for the second time."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS],
        env={**clean, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(not GLIBC, reason="glibc only")
def test_freed_memory_is_used_again() -> None:
    kept, faults = second_time()
    assert kept
    assert faults < 20


@pytest.mark.parametrize(
    "environment",
    [{"MALLOC_TRIM_THRESHOLD_": "100000"}, {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=9"}],
)
def test_what_the_user_has_set_stays(environment: dict[str, str]) -> None:
    kept, _ = second_time(**environment)
    assert not kept
