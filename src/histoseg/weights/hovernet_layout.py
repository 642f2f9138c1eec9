"""What keys and shapes the weights of a HoVer-Net have, and which HoVer-Net weights are for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from histoseg.errors import CheckpointError
from histoseg.weights.unlike import unlike

COUNTER = "num_batches_tracked"
Shapes = dict[str, tuple[int, ...]]
_KERNELS = {"fast": 3, "original": 5}


@dataclass(frozen=True)
class HoVerNetLayout:
    """Arguments of `networks.HoVerNet` that weights are for.

    Attributes:
        classes: Number of classes without background, 0 for none.
        mode: ``fast`` or ``original``.
        width: Base width, published 64.
        depths: Units in each stage of the encoder.
        dense_units: Units in the dense blocks of a decoder, deep then shallow.
    """

    classes: int
    mode: str
    width: int = 64
    depths: tuple[int, ...] = (3, 4, 6, 3)
    dense_units: tuple[int, ...] = (8, 4)

    def shapes(self) -> Shapes:
        """List every key of the state dict and its shape."""
        branches = {"np": 2, "hv": 2} | ({"tp": 1 + self.classes} if self.classes else {})
        shapes = self._encoder()
        for branch, out in branches.items():
            shapes |= self._decoder(f"decoder.{branch}", out)
        return shapes

    def _encoder(self) -> Shapes:
        w = self.width
        shapes = _conv("encoder.conv0", w, 3, 7) | _norm("encoder.bn0", w)
        incoming = w
        for stage, depth in enumerate(self.depths):
            name, inner = f"encoder.d{stage}", w * 2**stage
            for i in range(depth):
                unit, given = f"{name}.units.{i}", 4 * inner if i else incoming
                shapes |= _norm(f"{unit}.bn0", given) if i else {}
                shapes |= _conv(f"{unit}.conv1", inner, given) | _norm(f"{unit}.bn1", inner)
                shapes |= _conv(f"{unit}.conv2", inner, inner, 3) | _norm(f"{unit}.bn2", inner)
                shapes |= _conv(f"{unit}.conv3", 4 * inner, inner)
            shapes |= _conv(f"{name}.shortcut", 4 * inner, incoming)
            shapes |= _norm(f"{name}.bn", 4 * inner)
            incoming = 4 * inner
        return shapes | _conv("conv_bot", 16 * w, 32 * w)

    def _decoder(self, name: str, out: int) -> Shapes:
        w, kernel = self.width, _KERNELS[self.mode]
        shapes: Shapes = {}
        blocks = (("u3", 16 * w, 4 * w, 8 * w), ("u2", 8 * w, 2 * w, 4 * w))
        for (block, given, start, end), depth in zip(blocks, self.dense_units, strict=True):
            shapes |= _conv(f"{name}.{block}.conva", start, given, kernel)
            for i in range(depth):
                unit, running = f"{name}.{block}.dense.units.{i}", start + i * w // 2
                shapes |= _norm(f"{unit}.bn0", running) | _conv(f"{unit}.conv1", 2 * w, running)
                shapes |= _norm(f"{unit}.bn1", 2 * w)
                shapes |= _conv(f"{unit}.conv2", w // 2, 2 * w // 4, kernel)  # 4 groups
            full = start + depth * w // 2
            shapes |= _norm(f"{name}.{block}.dense.bn", full)
            shapes |= _conv(f"{name}.{block}.convf", end, full)
        shapes |= _conv(f"{name}.u1", w, 4 * w, kernel) | _norm(f"{name}.u0.bn", w)
        return shapes | _conv(f"{name}.u0.conv", out, w) | {f"{name}.u0.conv.bias": (out,)}


def layout_of(weights: Mapping[str, Tensor]) -> HoVerNetLayout:
    """Read off weights under our keys which network they are for, and check every key and shape.

    Args:
        weights: State dict of `networks.HoVerNet` with the published encoder.

    Raises:
        CheckpointError: If they are not those of a HoVer-Net with the published encoder.
    """
    probes = ("decoder.np.u1.weight", "encoder.conv0.weight")
    if any(key not in weights or weights[key].ndim != 4 for key in probes):
        some = ", ".join(repr(key) for key in sorted(weights)[:3]) or "none"
        raise CheckpointError(
            "these are not the weights of a whole HoVer-Net with the published encoder: it has "
            f"both of {probes}; keys that came: {some}. Give the checkpoint of a HoVer-Net"
        )
    final, first = (weights[key] for key in probes)
    layout = HoVerNetLayout(
        classes=classes_of(weights),
        mode="original" if final.shape[-1] == _KERNELS["original"] else "fast",
        width=first.shape[0],
        depths=tuple(_units(weights, f"encoder.d{stage}.units.") for stage in range(4)),
        dense_units=tuple(_units(weights, f"decoder.np.{u}.dense.units.") for u in ("u3", "u2")),
    )
    _check(weights, layout)
    return layout


def classes_of(weights: Mapping[str, Tensor]) -> int:
    """Number of classes without background that weights under our keys tell apart; 0 for none."""
    head = weights.get("decoder.tp.u0.conv.weight")
    return 0 if head is None or not head.ndim else head.shape[0] - 1


def check_published(layout: HoVerNetLayout) -> None:
    """Refuse a network that the official code cannot build.

    Raises:
        CheckpointError: If width or depths are not the published ones.
    """
    published = HoVerNetLayout(layout.classes, layout.mode)
    if layout != published:
        raise CheckpointError(
            f"the original HoVer-Net has {_sizes(published)}; this network has {_sizes(layout)}. "
            "Train one of the published size for it: model=hovernet or model=hovernet_original"
        )


def difference(weights: HoVerNetLayout, network: HoVerNetLayout) -> str:
    """Say in one line why weights do not go into a network, and what to set.

    Args:
        weights: What the weights are for.
        network: What the network is; differs in more than classes.
    """
    if weights.mode != network.mode:
        model = "hovernet_original" if weights.mode == "original" else "hovernet"
        return (
            f"the weights are of mode {weights.mode!r} and the network of mode {network.mode!r}: "
            f"set model={model}"
        )
    depths, dense = (",".join(map(str, n)) for n in (weights.depths, weights.dense_units))
    return (
        f"the weights have {_sizes(weights)}; the network has {_sizes(network)}: set "
        f"model.network.width={weights.width} model.network.depths=[{depths}] "
        f"+model.network.dense_units=[{dense}]"
    )


def _sizes(layout: HoVerNetLayout) -> str:
    return f"width {layout.width}, depths {layout.depths}, dense units {layout.dense_units}"


def _check(weights: Mapping[str, Tensor], layout: HoVerNetLayout) -> None:
    complaints = unlike(weights, layout.shapes())
    if complaints:
        raise CheckpointError(
            f"the weights look like {layout}, but of its keys are {complaints}. "
            "Give a complete checkpoint of one HoVer-Net"
        )


def _units(weights: Mapping[str, Tensor], prefix: str) -> int:
    return len({key[len(prefix) :].split(".")[0] for key in weights if key.startswith(prefix)})


def _conv(name: str, out: int, given: int, kernel: int = 1) -> Shapes:
    return {f"{name}.weight": (out, given, kernel, kernel)}


def _norm(name: str, channels: int) -> Shapes:
    entries = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{entry}": (channels,) for entry in entries} | {f"{name}.{COUNTER}": ()}
