"""A slide of 40,000 x 40,000 px through ``histoseg predict``, and the memory that this takes.

Sparse tissue on glass, a very narrow HoVer-Net with random weights, the defaults of the command.
``python benchmarks/big_slide.py [side]`` prints what the summary says, the time with the start of
all processes, and the most memory of the main process and of all together: pages that processes
share are divided among them (PSS), and what is mapped of the slide's file counts.
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _untrained import NARROW, untrained

from fakes import big_slide

SIDE, SHARE = 40_000, 0.02
GOAL_MIB = 4096
EVERY = 0.5  # seconds between two looks at the memory


def main() -> None:
    side = int(sys.argv[1]) if len(sys.argv) > 1 else SIDE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slide, network = folder / "big.tif", untrained(folder / "narrow.ckpt", *NARROW)
        began = time.perf_counter()
        size = big_slide.write(slide, side, share=SHARE).size
        written = slide.stat().st_size / 2**20
        print(f"slide: {size} px, {written:.0f} MiB, {time.perf_counter() - began:.1f} s to write")
        began = time.perf_counter()
        said = (f"ckpt={network}", f"input={slide}", f"output={folder / 'out'}", "accelerator=cpu")
        main_process, together = watched([sys.executable, "-m", "histoseg", "predict", *said])
        seconds = time.perf_counter() - began
        results = sum(p.stat().st_size for p in (folder / "out").rglob("*") if p.is_file())
        with (folder / "out" / "summary.csv").open(newline="") as file:
            (row,) = csv.DictReader(file)
    facts = ", ".join(
        f"{key} {row[key]}" for key in ("state", "seconds", "mm2", "nuclei", "peak_mb")
    )
    print(f"{facts}; {seconds:.0f} s with the start, results {results / 2**20:.0f} MiB")
    print(f"main process {main_process:.0f} MiB, all together {together:.0f} MiB at most")
    if together > GOAL_MIB:
        sys.exit(f"short of the goal: {GOAL_MIB} MiB")


def watched(command: list[str]) -> tuple[float, float]:
    """Run a command; the most memory of its process, and of all below it together, in MiB."""
    child = subprocess.Popen(command)
    most = [0.0, 0.0]
    while child.poll() is None:
        held = [memory(pid) for pid in family(child.pid)]
        most = [max(most[0], held[0]), max(most[1], sum(held))]
        time.sleep(EVERY)
    if child.returncode:
        sys.exit(f"predict ended with code {child.returncode}")
    return most[0], most[1]


def family(pid: int) -> list[int]:
    """A process and all that it or its children started."""
    found = [pid]
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [p for child in tasks.read_text().split() for p in family(int(child))]
        except OSError:  # it has just ended
            continue
    return found


def memory(pid: int) -> float:
    """Its share of the memory that it uses, MiB; 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss: +(\d+)", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    main()
