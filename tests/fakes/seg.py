"""Seg pictures as DeepLIIF makes them: red and blue cells with a green rim on black."""

import numpy as np

from histoseg.contracts import Array

RED, BLUE, GREEN = (230, 10, 20), (15, 5, 220), (10, 200, 30)


def seg_picture(
    size: tuple[int, int], positive: int, negative: int, seed: int = 0, specks: int = 0
) -> Array:
    """Discs of 5 to 7 px radius that never touch, and specks of 5 px between them."""
    random = np.random.default_rng(seed)
    picture = random.integers(0, 20, (*size, 3)).astype(np.uint8)
    rows, columns = (n // 24 for n in size)
    assert positive + negative + specks <= rows * columns, "too small a picture"
    y, x = np.ogrid[: size[0], : size[1]]
    places = random.permutation(rows * columns)[: positive + negative + specks]
    for number, place in enumerate(places.tolist()):
        centre = (place // columns * 24 + 12, place % columns * 24 + 12)
        away = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
        colour = RED if number < positive else BLUE
        if number >= positive + negative:
            picture[away <= 1] = BLUE
            continue
        radius = random.uniform(5, 7)
        picture[away <= (radius + 2) ** 2] = GREEN
        picture[away <= radius**2] = colour
    return picture


def marker_picture(seg: Array, low: int = 10, high: int = 240) -> Array:
    """Bright where cells are positive."""
    strong = (seg[..., 0] > 100) & (seg[..., 1] < 100)
    return np.repeat(np.where(strong, high, low).astype(np.uint8)[..., None], 3, axis=2)
