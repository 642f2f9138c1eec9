"""Where the configuration lies: inside an installed package, else in the checkout."""

from pathlib import Path

PACKAGED = Path(__file__).parents[1] / "conf"
CONF = str(PACKAGED if PACKAGED.is_dir() else Path(__file__).parents[3] / "conf")
