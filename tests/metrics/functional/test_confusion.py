import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from histoseg.metrics.functional import confusion_counts, detection_counts, detection_of

NOBODY = (np.zeros((0, 2)), np.zeros(0, dtype=int))


def test_counts_by_hand() -> None:
    true = (np.array([[0.0, 0], [50, 0], [100, 0], [150, 0]]), np.array([1, 2, 1, 0]))
    pred = (np.array([[51.0, 0], [1, 0], [0, 900], [149, 3]]), np.array([1, 1, 2, 2]))
    counts = confusion_counts(true, pred, classes=2)
    assert counts.tolist() == [  # columns: no partner, no class, 1, 2
        [0, 0, 0, 1],
        [0, 0, 0, 1],
        [1, 0, 1, 0],
        [0, 0, 1, 0],
    ]


def test_one_side_empty() -> None:
    one = (np.array([[3.0, 4.0]]), np.array([2]))
    assert confusion_counts(one, NOBODY, 2)[3].tolist() == [1, 0, 0, 0]
    assert confusion_counts(NOBODY, one, 2)[0].tolist() == [0, 0, 0, 1]
    assert not confusion_counts(NOBODY, NOBODY, 2).any()


@given(st.integers(0, 2**32 - 1))
def test_holds_what_the_f_scores_are_made_of(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sides = [(rng.uniform(0, 60, (n, 2)), rng.integers(0, 4, n)) for n in rng.integers(0, 12, 2)]
    counts = confusion_counts(*sides, classes=3)
    assert detection_of(counts).tolist() == detection_counts(*sides, classes=3).tolist()
    assert counts[1:].sum() == len(sides[0][1]), "each annotated nucleus once"
    assert counts[:, 1:].sum() == len(sides[1][1]), "each predicted nucleus once"
