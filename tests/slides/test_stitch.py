import numpy as np
import pytest

from histoseg.slides import Canvas


def test_a_seam_fades_from_one_output_to_the_next() -> None:
    canvas = Canvas(1, 20, 1, overlap=6)
    canvas.paste(np.zeros((1, 1, 13)), 0, 0)
    canvas.paste(np.ones((1, 1, 13)), 7, 0)
    row = canvas.finish()[0, 0]
    np.testing.assert_array_equal(row[:7], 0)
    np.testing.assert_array_equal(row[13:], 1)
    assert (np.diff(row[6:14]) > 0).all()
    np.testing.assert_allclose(
        row[7:13], np.sin((np.arange(6) + 0.5) / 6 * np.pi / 2) ** 2, atol=1e-6
    )


def test_what_lies_outside_is_cut_off() -> None:
    canvas = Canvas(4, 4, 1)
    canvas.paste(np.full((1, 4, 4), 1.0), 0, 0)
    canvas.paste(np.full((1, 3, 3), 2.0), -2, -2)
    canvas.paste(np.full((1, 3, 3), 3.0), 3, 3)
    for x, y in [(9, 0), (0, 9), (-9, 0), (0, -9)]:
        canvas.paste(np.full((1, 3, 3), 4.0), x, y)
    expected = np.ones((4, 4))
    expected[0, 0], expected[3, 3] = 2, 3
    np.testing.assert_array_equal(canvas.finish()[0], expected)


@pytest.mark.parametrize("overlap", [0, 2])
def test_a_gap_is_an_error(overlap: int) -> None:
    canvas = Canvas(4, 6, 1, overlap)
    canvas.paste(np.ones((1, 4, 4)), 0, 0)
    with pytest.raises(
        ValueError, match=r"8 of 24 pixels were never predicted, the first at x=4, y=0"
    ):
        canvas.finish()


def test_another_number_of_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected an output \(2, h, w\)"):
        Canvas(4, 4, 2).paste(np.ones((1, 4, 4)), 0, 0)
