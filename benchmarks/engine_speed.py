"""Tiles in a second: the slide engine against the bare forward loop on the same tiles.

A HoVer-Net of half the width, so that the network dominates, on a slide full of tissue. The bare
loop has all tiles in memory and throws away what the network says; the engine reads, stitches,
decodes, measures stains and writes part files beside it, with the workers that the command takes by
default, and then writes GeoJSON. In turns, by the clock, as processes work side by side; workers
take processor time from the network where there are few cores. The arguments, both optional, are
the side of the slide in px and the workers.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from _cases import report
from _untrained import untrained
from hydra import compose, initialize_config_dir

from fakes import big_slide
from histoseg.cli.arguments import checkpoint_command
from histoseg.cli.conf import CONF
from histoseg.contracts import Array
from histoseg.engine.memory import keep_freed_memory
from histoseg.engine.predict import load, slide_settings
from histoseg.engine.slides.forward import Forward, to_arrays
from histoseg.engine.slides.settings import Settings
from histoseg.engine.slides.slide_run import SlideRun
from histoseg.slides import Frame, Grid, SlideEntry, open_slide
from histoseg.writers import write_geojson

SIDE, TURNS, GOAL = 1312, 2, 0.9
WIDTH = "model.network.width=32"


def main() -> None:
    side = int(sys.argv[1]) if len(sys.argv) > 1 else SIDE
    workers = sys.argv[2] if len(sys.argv) > 2 else "null"
    keep_freed_memory()  # as predict does
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slide, network = folder / "slide.tif", untrained(folder / "half.ckpt", WIDTH)
        big_slide.write(slide, side, share=1.0)
        with initialize_config_dir(CONF, version_base="1.3"):
            given = [f"ckpt={network}", f"input={slide}", "tissue=none", "accelerator=cpu"]
            given += [f"workers={workers}", "rank=0", "ranks=1", f"paths.run={folder}"]
            cfg = compose("predict", checkpoint_command(given))
            cfg.output, cfg.writers = str(folder / "out"), {}
            settings = slide_settings(cfg, load(cfg))
        tiles = all_tiles(slide, settings)
        bare, ours = [], []
        for turn in range(TURNS):
            bare.append(by_loop(settings.forward, tiles))
            ours.append(by_engine(slide, settings, folder / str(turn)))
            report(
                f"engine, {len(tiles)} tiles", len(tiles) / min(bare), len(tiles) / min(ours),
                "tiles/s", goal=GOAL,
            )  # fmt: skip


def all_tiles(slide: Path, settings: Settings) -> list[Array]:
    module = settings.module
    with open_slide(slide) as opened:
        frame = Frame.at(opened, settings.model_mpp or opened.mpp[0])
        grid = Grid(frame.size, module.tile, module.margin)
        boxes = [grid.input_box(cell) for cell in np.argwhere(np.ones(grid.shape, np.bool_))]
        return [frame.read(b.left, b.top, b.width, b.height, outside="mirror") for b in boxes]


def by_loop(forward: Forward, tiles: list[Array]) -> float:
    began = time.perf_counter()
    for first in range(0, len(tiles), forward.batch_size):
        to_arrays(forward.launch(tiles[first : first + forward.batch_size]))
    return time.perf_counter() - began


def by_engine(slide: Path, settings: Settings, output: Path) -> float:
    own = replace(settings, output=output, writers={"geojson": write_geojson})
    run = SlideRun(SlideEntry(slide, "slide"), own)
    began = time.perf_counter()
    run.run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
