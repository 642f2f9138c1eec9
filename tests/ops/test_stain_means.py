import numpy as np
import pytest

from histoseg.ops.instances import instances_from_labels
from histoseg.ops.stain import rgb_from_hed
from histoseg.ops.stain_means import STAINS, stain_means


def test_each_object_has_the_dye_it_was_painted_with() -> None:
    labels = np.zeros((30, 40), np.int32)
    labels[2:12, 3:13], labels[15:25, 20:30] = 4, 9
    dye = np.zeros((30, 40, 3))
    dye[labels == 4], dye[labels == 9] = (1.2, 0.3, 0.0), (0.2, 0.0, 0.9)
    dye[2:7, 3:13, 0] += 0.4  # half of the object has more
    image = (rgb_from_hed(dye) * 255).round().astype(np.uint8)
    found = stain_means(image, instances_from_labels(labels))
    assert list(found) == [f"{stain} OD mean" for stain in STAINS]
    means = np.stack(list(found.values()), axis=1) * np.log(10)
    np.testing.assert_allclose(means, [(1.4, 0.3, 0), (0.2, 0, 0.9)], atol=0.03)


def test_none_and_another_size() -> None:
    nothing = instances_from_labels(np.zeros((5, 6), np.int32))
    found = stain_means(np.zeros((5, 6, 3), np.uint8), nothing)
    assert [len(values) for values in found.values()] == [0, 0, 0]
    with pytest.raises(ValueError, match="does not fit"):
        stain_means(np.zeros((6, 5, 3), np.uint8), nothing)
