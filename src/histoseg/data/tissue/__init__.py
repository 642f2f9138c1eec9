"""How `histoseg.data.synthetic` draws tissue: plan, cells, stains, camera; pure functions of a generator."""
