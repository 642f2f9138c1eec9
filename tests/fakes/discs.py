"""Pictures of purple discs on pink: what every fake data set is made of."""

import numpy as np

PINK, PURPLE = (235, 200, 220), (95, 60, 140)


def discs(
    seed: int, height: int = 64, width: int = 64, count: int = 6, radius: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 and instances (H, W) int32, ids 1..count; discs do not touch."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), PINK, dtype=np.uint8)
    instances = np.zeros((height, width), dtype=np.int32)
    step = 2 * radius + 3
    cells = [
        (y, x)
        for y in range(radius + 1, height - radius - 1, step)
        for x in range(radius + 1, width - radius - 1, step)
    ]
    rows, columns = np.mgrid[:height, :width]
    for number, cell in enumerate(rng.permutation(len(cells))[:count], start=1):
        y, x = cells[cell]
        inside = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
        instances[inside] = number
        image[inside] = PURPLE
    noise = rng.integers(-8, 9, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8), instances
