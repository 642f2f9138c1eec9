"""CycleGAN: two stains into each other, learned from pictures of different tissue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss
from typing_extensions import override

from histoseg.contracts import Maps, Sample
from histoseg.losses import GANLoss
from histoseg.losses.gan import Kind
from histoseg.modules.adversarial import AdversarialModule, Side, check_tile, signed, unsigned
from histoseg.modules.base import Outputs
from histoseg.modules.cyclegan_files import folder_of, load_pretrained
from histoseg.modules.freezing import freeze
from histoseg.modules.image_pool import ImagePool, of_all_ranks, restore
from histoseg.networks.cyclegan import CycleGAN as Network
from histoseg.networks.cyclegan import Direction, mixes, together
from histoseg.ops.crop import centre_crop
from histoseg.postprocess.decoder import Decoder
from histoseg.weights.cyclegan import CycleGANFolder

IdentityMode = Literal["relative", "absolute"]


class CycleGAN(AdversarialModule):
    """Two translators that lead back to the start, and a discriminator of each domain.

    Outputs of a batch with both stains are ``made_<domain>``, ``again_<domain>`` (there and back)
    and, where the identity costs, ``same_<domain>`` (of the domain itself).

    Args:
        network: Recipe of `histoseg.networks.CycleGAN`.
        discriminator: Recipe of a network, given ``inputs``, its channels.
        inputs: The stain of domain A.
        outputs: The stain of domain B.
        direction: Which way prediction goes: ``a_to_b`` or ``b_to_a``.
        gan: What answers cost: ``lsgan`` or ``vanilla``.
        cycle_a: Factor of what is lost from A to B and back.
        cycle_b: Factor of what is lost from B to A and back.
        identity: Factor of what a translator changes in a picture of its own target; 0 for none,
            and then it is not computed.
        identity_mode: ``relative``: times the factor of that domain's cycle; ``absolute``.
        scored: Stains that tests make and metrics compare: one, or both; None for both.
        pool: Made pictures that each discriminator is shown again; 0 for none.
        order: Which side steps first.
        freeze_generators: Parts that do not learn, of both; see `histoseg.modules.freezing.freeze`.
        freeze_discriminators: Likewise.
        pretrained: Weights to start from; see `load_pretrained`.
        facts: What `AdversarialModule` takes.

    Attributes:
        domains: Stains by domain, ``a`` and ``b``.
        pools: Made pictures by domain, of this rank.
        apart: Whether norms mix the pictures of a batch, so that calls cannot be joined.

    Raises:
        ValueError: If there is not one stain of each domain, or a setting is out of range.

    Source:
        Zhu et al. 2017, https://arxiv.org/abs/1703.10593; junyanz/pytorch-CycleGAN-and-pix2pix. The
        official ``D_A`` judges B; here the discriminator ``b`` does.
    """

    def __init__(
        self,
        network: Callable[..., Network],
        discriminator: Callable[..., nn.Module],
        *,
        inputs: Sequence[str],
        outputs: Sequence[str],
        direction: Direction = "a_to_b",
        gan: Kind = "lsgan",
        cycle_a: float = 10.0,
        cycle_b: float = 10.0,
        identity: float = 0.5,
        identity_mode: IdentityMode = "relative",
        scored: Sequence[str] | None = None,
        pool: int = 50,
        order: Sequence[Side] = ("generators", "discriminators"),
        freeze_generators: Sequence[str] = (),
        freeze_discriminators: Sequence[str] = (),
        pretrained: str | None = None,
        **facts: Any,
    ) -> None:
        _check(inputs, outputs, scored or (), direction, identity_mode, order)
        seen, made = (inputs, outputs) if direction == "a_to_b" else (outputs, inputs)
        judges = {domain: discriminator(inputs=3) for domain in "ab"}
        if gan == "vanilla" and any(getattr(judge, "sigmoid", False) for judge in judges.values()):
            raise ValueError("gan=vanilla takes logits: set discriminator.sigmoid=false, or lsgan")
        super().__init__(network(), judges, inputs=seen, outputs=made, **facts)
        self.network: Network
        check_tile(self.network, self.tile)
        self.domains = {"a": inputs[0], "b": outputs[0]}
        self.direction, self.order = direction, tuple(order)
        self.scored = tuple(scored or self.domains.values())
        self.gan, self.cycle = GANLoss(gan), {"a": cycle_a, "b": cycle_b}
        self.identity = {
            domain: identity * (weight if identity_mode == "relative" else 1)
            for domain, weight in self.cycle.items()
        }
        self.apart = mixes(self)
        self.pools = {domain: ImagePool(pool) for domain in self.domains}
        self._stored: list[dict[str, list[Tensor]]] = []
        if pretrained is not None:
            self.load_pretrained(Path(pretrained))
        for way, part in self.network.named_children():
            freeze(part, freeze_generators, f"generator {way}")
        for domain, part in self.discriminators.named_children():
            freeze(part, freeze_discriminators, f"discriminator {domain}")

    @property
    @override
    def decoder(self) -> Decoder:
        return Decoder(stains=self.outputs)

    @override
    def decode(self, maps: Maps) -> dict[str, Any]:
        """All translations that there are, of both directions."""
        return {"pred_stains": dict(maps)}

    @override
    def forward(self, batch: Sample) -> Outputs:
        if "stains" not in batch:
            return {f"made_{self.direction[-1]}": self.generators(self.seen(batch), self.direction)}
        a, b = self._real(batch).values()
        made_b, same_b = self._made_and_same(a, b, "a_to_b")
        made_a, same_a = self._made_and_same(b, a, "b_to_a")
        outputs = {
            "made_a": made_a,
            "made_b": made_b,
            "again_a": self.generators(made_b, "b_to_a"),
            "again_b": self.generators(made_a, "a_to_b"),
        }
        same = {"same_a": same_a, "same_b": same_b}
        return outputs | {name: picture for name, picture in same.items() if picture is not None}

    @override
    def maps(self, outputs: Outputs) -> Maps:
        """The made stains by name: one in prediction, both where both were seen."""
        made = {stain: outputs.get(f"made_{domain}") for domain, stain in self.domains.items()}
        return {stain: unsigned(picture) for stain, picture in made.items() if picture is not None}

    @override
    def losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        total, cycle = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        terms: dict[str, Tensor] = {}
        for domain, real in self._real(batch).items():
            stain = self.domains[domain]
            answers = self.discriminators[domain](outputs[f"made_{domain}"])
            terms[f"gan_{stain}"] = gan = self.gan(answers, real=True)
            terms[f"cycle_{stain}"] = back = _l1(outputs[f"again_{domain}"], real)
            cycle = cycle + self.cycle[domain] * back
            total = total + gan
            if f"same_{domain}" in outputs:
                terms[f"identity_{stain}"] = same = _l1(outputs[f"same_{domain}"], real)
                total = total + self.identity[domain] * same
        return {"loss": total + cycle, "cycle": cycle, **terms}

    @override
    def discriminator_losses(self, batch: Sample, outputs: Outputs) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        for domain, real in self._real(batch).items():
            made = self.pools[domain](outputs[f"made_{domain}"])
            judge = self.discriminators[domain]
            of_real, of_made = together(judge, real, made, apart=self.apart)
            cost = self.gan(of_real, real=True) + self.gan(of_made, real=False)
            terms[self.domains[domain]] = cost / 2
        return {"loss": torch.stack(list(terms.values())).sum(), **terms}

    @override
    def validation_step(self, batch: Sample, batch_idx: int) -> dict[str, Any]:
        outputs = self(batch)
        terms = self.losses(batch, outputs)
        self._check_finite(terms["loss"], batch)
        self._log_terms("val", terms, len(self.picture(batch)))
        scored = self._score(self.val_scores, batch, self.maps(outputs))
        return scored | {"pictures": self._pictures(batch, outputs)}

    @override
    def test_step(self, batch: Sample, batch_idx: int) -> dict[str, Any]:
        """The directions that are scored, of whole images, which may be of different sizes."""
        stains = self.domains.values()
        true = {stain: batch["stains"][stain].expand(-1, 3, -1, -1) for stain in stains}
        asked = self.direction
        made: Maps = {}
        try:
            for self.direction in get_args(Direction):
                if self.domains[self.direction[-1]] in self.scored:
                    made |= self.infer(true[self.domains[self.direction[0]]])
        finally:
            self.direction = asked
        self.test_scores.update(stains=true, pred_stains=made)
        image = true[self.inputs[0]]
        return {"image": image, "stains": true, "pred_stains": made, "maps": made}

    @override
    def on_fit_start(self) -> None:
        super().on_fit_start()
        ranks = {"rank": self.global_rank, "world": self.trainer.world_size}
        restore(self.pools, self._stored, device=self.device, **ranks)
        self._stored = []

    @override
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """With the pools of all ranks."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["pools"] = of_all_ranks(self.pools)

    @override
    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._stored = checkpoint.get("pools", [])

    def load_pretrained(self, path: Path) -> None:
        """Load weights of the official code, of IHC_HE_GenAI or of histoseg.

        What is not there starts anew, which is logged; ``untrained`` says if the generator that
        prediction needs is not there.

        Args:
            path: A folder of ``<epoch>_net_G_A.pth`` or ``generator_HE.tar`` and their like; a file
                of one generator, which is taken for that of ``direction``; or a checkpoint.

        Raises:
            CheckpointError: If they are damaged or do not fit.
        """
        found = load_pretrained(self, path, self.direction)
        if self.direction not in found:
            self.untrained = f"generator {self.direction}"

    def folder(self) -> CycleGANFolder:
        """What a folder of the original holds of this model."""
        return folder_of(self.network, self.discriminators)

    def _real(self, batch: Sample) -> Maps:
        """True pictures by domain, in [-1, 1]."""
        size = (self.tile, self.tile)
        return {
            domain: signed(centre_crop(batch["stains"][stain], size).expand(-1, 3, -1, -1))
            for domain, stain in self.domains.items()
        }

    def _made_and_same(
        self, seen: Tensor, target: Tensor, way: Direction
    ) -> tuple[Tensor, Tensor | None]:
        """A translation, and what the translator makes of its own target if that costs."""
        translate = partial(self.generators, direction=way)
        if not self.identity[way[-1]]:
            return translate(seen), None
        return together(translate, seen, target, apart=self.apart)

    def _pictures(self, batch: Sample, outputs: Outputs) -> Maps:
        """What a panel shows: of each domain real, made, back again, and made of itself."""
        shown: Maps = {}
        for domain, other in (("a", "b"), ("b", "a")):
            name, target = self.domains[domain], self.domains[other]
            shown[name] = unsigned(self._real(batch)[domain])
            shown[f"{name} to {target}"] = unsigned(outputs[f"made_{other}"])
            shown[f"{name} and back"] = unsigned(outputs[f"again_{domain}"])
            if f"same_{domain}" in outputs:
                shown[f"{name} to {name}"] = unsigned(outputs[f"same_{domain}"])
        return shown


def _l1(made: Tensor, real: Tensor) -> Tensor:
    """Mean absolute difference, in 32 bits."""
    return l1_loss(made.float(), real.float())


def _check(
    inputs: Sequence[str],
    outputs: Sequence[str],
    scored: Sequence[str],
    direction: str,
    identity_mode: str,
    order: Sequence[str],
) -> None:
    """Refuse settings that mean nothing."""
    if len({*inputs, *outputs}) != 2 or len(inputs) != 1:
        raise ValueError(
            f"inputs are {list(inputs)}, outputs {list(outputs)}: expected one stain of each "
            "domain, and two different ones"
        )
    if not {*scored} <= {*inputs, *outputs}:
        raise ValueError(f"scored is {list(scored)}: name one or both of {[*inputs, *outputs]}")
    for name, value, known in (
        ("direction", direction, get_args(Direction)),
        ("identity_mode", identity_mode, get_args(IdentityMode)),
    ):
        if value not in known:
            raise ValueError(f"{name} is {value!r}: choose one of {known}")
    if sorted(order) != sorted(get_args(Side)):
        raise ValueError(f"order is {list(order)}: name each of {get_args(Side)} once")
