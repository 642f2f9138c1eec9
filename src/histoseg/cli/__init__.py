"""The console command: ``histoseg <verb> key=value ...``. A verb is imported when it is called."""

from __future__ import annotations

import importlib
import sys

VERBS = {
    "prepare": "fetch, check and convert a set: histoseg prepare data=consep",
    "train": "train a model: histoseg train model=hovernet data=pannuke",
    "evaluate": "score a checkpoint: histoseg evaluate ckpt=<run>",
    "score": "score files against files: histoseg score pred=<folder> true=<folder>",
    "predict": "run it on images: histoseg predict ckpt=<run> input=<folder> output=<folder>",
    "analyse": "density, hotspots, indices: histoseg analyse input=<nuclei> output=<folder>",
    "score_ihc": "count cells of Seg pictures: histoseg score_ihc input=<folder>",
    "synthesise": "strips of rare cells: histoseg synthesise ckpt=<run> input=<strips>",
    "export": "write it for another program: histoseg export ckpt=<run> output=<file.tar>",
    "patches": "cut images into patches on disk: histoseg patches data=consep split=train",
    "register": "bring pictures of one tissue together: histoseg register fixed=<a> moving=<b>",
    "convert": "nuclei from one format to others: histoseg convert input=<file> to=[geojson,coco]",
    "check": "what QuPath would refuse of a GeoJSON: histoseg check input=<file>",
    "compare": "which run is best: histoseg compare runs=<folder of runs>",
    "report": "one training as a page: histoseg report run=<run>",
    "lr_find": "test learning rates: histoseg lr_find model=hovernet data=pannuke",
    "explore": "look at each transform of the augmentation: histoseg explore data=pannuke",
    "view": "look at augmented samples before training: histoseg view data=pannuke n=16",
}


def main() -> None:
    """Dispatch to a verb; everything behind it is for the verb."""
    verb = sys.argv[1] if len(sys.argv) > 1 else "--help"
    lines = [f"  {name:<12}{what}" for name, what in VERBS.items()]
    if verb in ("-h", "--help"):
        more = "Choices and settings of a verb: histoseg <verb> --help"
        usage = "usage: histoseg <verb> key=value ..."
        sys.stdout.write("\n".join([usage, "", *lines, "", more, ""]))
        return
    if verb not in VERBS:
        sys.exit("\n".join([f"histoseg: there is no verb {verb!r}; the verbs are", *lines]))
    sys.argv = [f"{sys.argv[0]} {verb}", *sys.argv[2:]]
    importlib.import_module(f"histoseg.cli.{verb}").main()
