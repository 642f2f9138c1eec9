import math

import numpy as np
import pytest
import torch
from torchmetrics.image.inception import InceptionScore

from histoseg.metrics.functional.inception_score import inception_score


@pytest.mark.filterwarnings("ignore:Metric `InceptionScore` will save")
def test_torchmetrics_says_the_same_of_one_part() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 7)) * 2
    oracle = InceptionScore(feature=torch.nn.Identity(), splits=1)
    oracle.update(torch.from_numpy(logits))
    found, spread = inception_score(logits, splits=1)
    with pytest.warns(UserWarning, match="degrees of freedom"):
        assert found == pytest.approx(oracle.compute()[0].item())
    assert spread == 0


@pytest.mark.parametrize("classes", [2, 5])
def test_as_many_as_there_are_sure_classes(classes: int) -> None:
    logits = 200 * np.tile(np.eye(classes), (40, 1))
    assert inception_score(logits, splits=1)[0] == pytest.approx(classes)


def test_1_where_all_images_look_alike() -> None:
    logits = np.tile(np.array([3.0, 1, 0]), (20, 1))
    assert inception_score(logits, splits=10) == (pytest.approx(1), pytest.approx(0, abs=1e-12))


def test_the_deal_is_seeded() -> None:
    logits = np.random.default_rng(1).normal(size=(40, 3))
    assert inception_score(logits, seed=1) == inception_score(logits, seed=1)
    assert inception_score(logits, seed=1) != inception_score(logits, seed=2)


def test_too_few_for_the_parts_say_nothing() -> None:
    assert all(map(math.isnan, inception_score(np.zeros((19, 3)), splits=10)))
