from __future__ import annotations

from typing import Any, Final, Literal

import albumentations as A  # noqa: N812

from histoseg.contracts import Array
from histoseg.ops.macenko import Macenko
from histoseg.ops.reinhard import Reinhard

Method = Literal["macenko", "reinhard"]
METHODS: Final[dict[str, type[Macenko] | type[Reinhard]]] = {
    "macenko": Macenko,
    "reinhard": Reinhard,
}


def method_of(name: str) -> type[Macenko] | type[Reinhard]:
    """What a method of stain transfer measures.

    Raises:
        ValueError: If there is no such method.
    """
    if name not in METHODS:
        raise ValueError(f"stain method {name!r} is unknown; choose one of {', '.join(METHODS)}")
    return METHODS[name]


class StainTransfer(A.ImageOnlyTransform):  # type: ignore[misc]  # untyped package
    """Give a tile the stains of another training image, drawn at random.

    A tile without tissue stays as it is, and so does every tile when the other image has none.

    Args:
        method: "macenko": directions and strengths of two stains, `histoseg.ops.macenko`;
            "reinhard": mean and spread of colours, `histoseg.ops.reinhard`.
        p: Share of tiles that are changed.

    Raises:
        ValueError: If there is no such method.
    """

    def __init__(self, method: Method, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.look = method_of(method)

    @property
    def targets_as_params(self) -> list[str]:
        """What `Augment` hands over beside the record: a function that reads the other image."""
        return ["donor"]

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        """Measure the other image."""
        return {"target": self.look.of(data["donor"]())}

    def apply(self, img: Array, target: Any, **params: Any) -> Array:
        """Change an RGB tile (H, W, 3), uint8 or float32 in [0, 1]."""
        if img.shape[2:] != (3,):
            raise ValueError(f"stains need an RGB tile (H, W, 3), got shape {img.shape}")
        own = self.look.of(img)
        return img if own is None or target is None else target.given_to(img, own)
