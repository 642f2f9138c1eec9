"""pix2pix: one stain of others of the same tissue, with a distance at several scales."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from typing_extensions import override

from histoseg.contracts import Maps, Sample
from histoseg.losses import GANLoss, PyramidL1
from histoseg.losses.gan import Kind
from histoseg.modules.adversarial import AdversarialModule, check_tile, signed, unsigned
from histoseg.modules.base import Outputs
from histoseg.modules.freezing import freeze
from histoseg.modules.paired import PairLoss, beside
from histoseg.modules.stored_networks import fill, load_checkpoint
from histoseg.ops.weight_files import read_checkpoint
from histoseg.postprocess.decoder import Decoder
from histoseg.weights.cyclegan import read_cyclegan


class Pix2Pix(AdversarialModule):
    """A translator, and a discriminator that sees the input beside what was made of it.

    Args:
        network: Recipe of a network, given ``inputs``, its channels.
        discriminator: Likewise, for its input and the made stain.
        inputs: Stains that are translated.
        outputs: The stain that is made.
        gan: What answers cost: ``vanilla`` or ``lsgan``.
        l1_weight: Factor of the distance at each scale.
        scales: See `histoseg.losses.PyramidL1`; 1 is pix2pix itself.
        freeze_generators: Parts that do not learn; see `histoseg.modules.freezing.freeze`.
        freeze_discriminators: Likewise.
        pretrained: Weights to start from; see `load_pretrained`.
        facts: What `AdversarialModule` takes.

    Raises:
        ValueError: If there is not one output, or the tile does not fit.

    Source:
        Isola et al. 2017, https://arxiv.org/abs/1611.07004; Liu et al. 2022, PyramidPix2pix,
        https://arxiv.org/abs/2204.11425.
    """

    def __init__(
        self,
        network: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        *,
        inputs: Sequence[str],
        outputs: Sequence[str],
        gan: Kind = "vanilla",
        l1_weight: float = 25.0,
        scales: int = 4,
        freeze_generators: Sequence[str] = (),
        freeze_discriminators: Sequence[str] = (),
        pretrained: str | None = None,
        **facts: Any,
    ) -> None:
        if len(outputs) != 1:
            raise ValueError(f"outputs are {list(outputs)}: expected one stain")
        channels = 3 * len(inputs)
        judges = {"output": discriminator(inputs=channels + 3)}
        super().__init__(network(inputs=channels), judges, inputs=inputs, outputs=outputs, **facts)
        check_tile(self.network, self.tile)
        self.loss = PairLoss(GANLoss(gan), l1_weight, distance=PyramidL1(scales))
        if pretrained is not None:
            self.load_pretrained(Path(pretrained))
        freeze(self.network, freeze_generators, "generator")
        freeze(self.discriminators["output"], freeze_discriminators, "discriminator")

    @property
    @override
    def decoder(self) -> Decoder:
        return Decoder(stains=self.outputs)

    @override
    def forward(self, batch: Sample) -> Outputs:
        return {self.outputs[0]: self.generators(self.seen(batch))}

    @override
    def maps(self, outputs: Outputs) -> Maps:
        return {name: unsigned(made) for name, made in outputs.items()}

    @override
    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        ((name, made),), true = outputs.items(), self._true(batch)
        answers = self.discriminators["output"](beside(self.seen(batch), made))
        total, terms = self.loss.generator(name, answers, made, true)
        return {"loss": total, "l1": terms[f"l1_{name}"], f"gan_{name}": terms[f"gan_{name}"]}

    @override
    def discriminator_losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        seen, (made,) = self.seen(batch), outputs.values()
        judge = self.discriminators["output"]
        of_made = judge(beside(seen, made.detach()))
        return {"loss": self.loss.discriminator(of_made, judge(beside(seen, self._true(batch))))}

    def load_pretrained(self, path: Path) -> None:
        """Load weights of the official code or of histoseg.

        Args:
            path: A folder with ``latest_net_G.pth`` and, if it is there, ``latest_net_D.pth``; the
                file of a generator; or a checkpoint.

        Raises:
            FileNotFoundError: If there is no such path, or no generator in the folder.
            CheckpointError: If they are damaged or do not fit.
        """
        if path.is_file() and "histoseg" in read_checkpoint(path):
            load_checkpoint(self, path)
            return
        found = read_cyclegan(path)
        for part, network in (("network", found.a_to_b), ("discriminators.output", found.critic_b)):
            if network is not None:
                fill(self.get_submodule(part), network, f"{path}: the {part}")

    def _true(self, batch: Sample) -> Tensor:
        return signed(self.targets(batch)[self.outputs[0]])
