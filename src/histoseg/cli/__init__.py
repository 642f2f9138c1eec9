"""The console command: ``histoseg <verb> key=value ...``. A verb is imported when it is called."""

from __future__ import annotations

import importlib
import sys

VERBS = {
    "train": "train a model: histoseg train model=hovernet data=pannuke",
    "evaluate": "score a checkpoint: histoseg evaluate ckpt=<run>",
    "predict": "run it on images: histoseg predict ckpt=<run> input=<folder> output=<folder>",
    "view": "look at augmented samples before training: histoseg view data=pannuke n=16",
}


def main() -> None:
    """Dispatch to a verb; everything behind it is for Hydra."""
    verb = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if verb in ("-h", "--help"):
        lines = [f"  {name:<10}{what}" for name, what in VERBS.items()]
        more = "Settings of a verb: histoseg <verb> --help; any of them is overridden as key=value."
        sys.stdout.write(
            "\n".join(["usage: histoseg <verb> key=value ...", "", *lines, "", more, ""])
        )
        return
    if verb not in VERBS:
        sys.exit(f"histoseg: no verb {verb!r}; there are {', '.join(VERBS)}")
    sys.argv = [f"{sys.argv[0]} {verb}", *sys.argv[2:]]
    importlib.import_module(f"histoseg.cli.{verb}").main()
