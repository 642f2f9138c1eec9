from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from histoseg.errors import CheckpointError
from histoseg.networks import HoVerNet
from histoseg.weights.hovernet import from_official, read_official, to_official
from histoseg.weights.hovernet_tensorflow import from_tensorflow

NORM = {
    "weight": "gamma:0",
    "bias": "beta:0",
    "running_mean": "mean/EMA:0",
    "running_var": "variance/EMA:0",
}


def tensorflow_name(key: str) -> str:
    """Go the other way, word by word: an official key -> the name in TensorFlow."""
    words = key.replace("./.", ".").split(".")
    entry = words.pop()
    norm = "bn" in words[-1]
    leaf = NORM[entry] if norm else {"weight": "W:0", "bias": "b:0"}[entry]
    if words[0] == "decoder":
        branch, unit, *rest = words[1:]
        if unit == "u0":
            return f"preact_out_{branch}/bn/{leaf}" if norm else f"conv_out_{branch}/{leaf}"
        rest = ["blk" if word == "units" else word for word in rest]
        return "/".join([branch, unit, *rest, leaf])
    if words[0] in ("conv0", "conv_bot"):
        return "/".join([*words, leaf])
    group = f"group{words[0][1]}"
    if words[1] == "shortcut":
        return f"{group}/block0/convshortcut/{leaf}"
    if words[1] == "blk_bna":
        return f"{group}/bnlast/bn/{leaf}"
    return "/".join([group, f"block{words[2]}", *words[3:], leaf])


def converted(state: dict[str, Tensor]) -> dict[str, Tensor]:
    kept = {k: v for k, v in state.items() if "tracked" not in k and "unpool" not in k}
    return {
        tensorflow_name(k): v.permute(2, 3, 1, 0) if v.ndim == 4 else v for k, v in kept.items()
    }


def test_a_file_of_the_first_edition_is_read(tmp_path: Path) -> None:
    network = HoVerNet(3, width=8)
    official = to_official(network.state_dict())
    arrays = converted(official)
    assert len(arrays) == 667
    arrays["linear/W:0"] = torch.zeros(4, 4)
    np.savez(tmp_path / "tf.npz", **{key: value.numpy() for key, value in arrays.items()})
    weights = from_official(read_official(tmp_path / "tf.npz"))
    state = network.state_dict()
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[key], state[key]) for key in state)


def test_two_names_for_one_key_are_refused() -> None:
    names = ("group0/block1/conv2/W:0", "d0.units.1.conv2/W:0")
    with pytest.raises(CheckpointError, match="twice"):
        from_tensorflow({name: torch.zeros(3, 3, 2, 2) for name in names})
