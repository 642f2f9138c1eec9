"""An ImPartial leaves as what the original loads."""

from pathlib import Path

import pytest
import torch

from conftest import Compose
from histoseg.engine.export import export
from histoseg.errors import CheckpointError
from histoseg.networks import ImPartial
from histoseg.weights.impartial import to_official, write_official


def test_the_file_is_a_list_with_the_keys_of_the_original(
    composed: Compose, tmp_path: Path
) -> None:
    weights = ImPartial(2, 12, width=4, depth=2).state_dict()
    write_official(tmp_path / "given.pth", weights)
    own = ("model=impartial", "data=synthetic_scribbles", "format=impartial")
    given = f"model.pretrained={tmp_path}/given.pth"
    output = tmp_path / "out" / "weights_best.pth"
    cfg = composed("export", *own, given, f"output={output}", tiny="impartial")
    export(cfg)
    (written,) = torch.load(output, weights_only=True)
    expected = to_official(weights)
    assert set(written) == set(expected)
    assert all(torch.equal(written[key], value) for key, value in expected.items())
    cfg.output = str(tmp_path / "weights.tar")
    with pytest.raises(ValueError, match=r"end in \.pth"):
        export(cfg)
    cfg.output, cfg.format = str(tmp_path / "out.tar"), "hovernet"
    with pytest.raises(CheckpointError, match="checkpoint is of ImPartial"):
        export(cfg)
