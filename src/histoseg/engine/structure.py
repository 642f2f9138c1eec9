"""Are the nuclei still there after a translation: a model of nuclei looks at both pictures."""

from __future__ import annotations

from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.nn.functional import interpolate

from histoseg.engine import checkpoint
from histoseg.errors import ContractError
from histoseg.metrics import NucleiKept
from histoseg.metrics.functional.unit_range import to_levels
from histoseg.modules.adversarial import AdversarialModule
from histoseg.modules.base import Module


class NucleiFinder:
    """Find nuclei with a trained model, at the resolution that it was made for.

    Args:
        module: The model.
        mpp: Micrometres per pixel of the pictures; None: taken for those of the model.
    """

    def __init__(self, module: Module, mpp: float | None) -> None:
        self.module = module.eval()
        self.scale = mpp / module.mpp if mpp and module.mpp else 1.0

    def __call__(self, pictures: Tensor) -> Tensor:
        """Nuclei (B, H, W), int64, of pictures (B, 3, H, W), float in [0, 1]."""
        size = pictures.shape[-2:]
        levels = to_levels(pictures)  # what would be saved and looked at
        if self.module.normalise is not None:
            arrays = levels.permute(0, 2, 3, 1).cpu().numpy()
            normal = [torch.from_numpy(self.module.normalise(array)) for array in arrays]
            levels = torch.stack(normal).permute(0, 3, 1, 2)
        seen = levels.to(pictures.device).float() / 255
        if self.scale != 1:
            at_scale = [max(1, round(side * self.scale)) for side in size]
            seen = interpolate(seen, size=at_scale, mode="bilinear", antialias=True)
        module = self.module.to(pictures.device)
        labels: Tensor = module.decode(module.infer(seen))["pred_instances"]
        if self.scale != 1:
            labels = interpolate(labels[:, None].double(), size=size, mode="nearest-exact")[
                :, 0
            ].long()
        return labels


def keep_structure(module: Module, cfg: DictConfig) -> None:
    """Add `NucleiKept` to the scores of a test, where ``structure.ckpt`` names a model of nuclei.

    Args:
        module: A translator of one stain into one.
        cfg: With ``structure`` as of ``conf/evaluate.yaml``; without it nothing is added.

    Raises:
        ContractError: If there is nothing to compare, or the model of nuclei finds none.
        CheckpointError: If there is no such checkpoint.
    """
    asked = cfg.get("structure")
    if not asked or asked.ckpt is None:
        return
    if not isinstance(module, AdversarialModule) or (len(module.inputs), len(module.outputs)) != (
        (1, 1)
    ):
        raise ContractError(
            "structure.ckpt compares nuclei of a stain and of its translation; "
            f"{type(module).__name__} does not make one stain of one"
        )
    after = _finder(Path(asked.ckpt), module, cfg)
    before = after if asked.before is None else _finder(Path(asked.before), module, cfg)
    kept = NucleiKept(
        before,
        after,
        source=module.inputs[0],
        target=module.outputs[0],
        radius_um=asked.radius_um,
        mpp=OmegaConf.select(cfg, "data.mpp") or module.mpp,
    )
    module.test_scores.add_metrics({"structure": kept})


def _finder(path: Path, translator: Module, cfg: DictConfig) -> NucleiFinder:
    stored = checkpoint.stored_config(checkpoint.find(path), trust=tuple(cfg.get("trust") or ()))
    OmegaConf.update(stored, "ckpt", str(path), force_add=True)
    OmegaConf.update(stored, "channels_last", cfg.channels_last, force_add=True)
    module = checkpoint.load(stored)
    if "instances" not in module.decoder.kinds:
        raise ContractError(f"{path} is a {type(module).__name__}, which finds no nuclei")
    return NucleiFinder(module, OmegaConf.select(cfg, "data.mpp") or translator.mpp)
