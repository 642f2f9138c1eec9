"""``python -m histoseg`` is the console command."""

from histoseg.cli import main

main()
