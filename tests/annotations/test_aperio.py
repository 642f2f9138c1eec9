from pathlib import Path

import numpy as np

from histoseg.annotations import rasterise, read_aperio

PIECES = {
    "square": (0, [(1, 1), (5, 1), (5, 4), (1, 4)]),
    "ellipse": (2, [(10, 10), (20, 16)]),
    "ruler": (4, [(0, 0), (9, 9)]),
}


def region(kind: int, points: list[tuple[float, float]], extra: str = "") -> str:
    rows = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in points)
    return f'<Region Id="1" Type="{kind}" {extra}><Vertices>{rows}</Vertices></Region>'


def write(path: Path, *annotations: str) -> Path:
    path.write_text(f'<Annotations MicronsPerPixel="0.252">{"".join(annotations)}</Annotations>')
    return path


def annotation(body: str, name: str = "", attribute: str = "Description") -> str:
    return (
        f'<Annotation Id="1" Name="{name}" LineColor="65535"><Attributes><Attribute Id="0" '
        f'Name="{attribute}" Value=""/></Attributes><Regions><RegionAttributeHeaders/>{body}'
        "</Regions></Annotation>"
    )


def test_regions_lie_where_they_were_drawn(tmp_path: Path) -> None:
    body = "".join(region(*piece) for piece in PIECES.values())
    drawing = read_aperio(write(tmp_path / "a.xml", annotation(body)))
    out = rasterise(drawing.shapes, None, (30, 30))
    expected = np.zeros((30, 30), dtype=bool)
    expected[1:4, 1:5] = True  # 4 x 3 pixels between the corners (1, 1) and (5, 4)
    np.testing.assert_array_equal(out.instances == 1, expected)
    assert (out.instances == 2).sum() == np.count_nonzero(
        ((np.arange(30) + 0.5 - 15) / 5) ** 2 + ((np.arange(30)[:, None] + 0.5 - 13) / 3) ** 2 <= 1
    )
    assert [(d.where, d.why) for d in drawing.dropped] == [
        ("annotation 1, region 3", "an arrow or a ruler, not an area")
    ]
    assert drawing.mpp == 0.252
    assert drawing.shapes[0].colour == (255, 255, 0)
    assert drawing.shapes[0].label is None


def test_classes_of_monusac_and_of_layers(tmp_path: Path) -> None:
    square = region(*PIECES["square"])
    layers = annotation(square, attribute="Epithelial"), annotation(square, name="Tumour")
    drawing = read_aperio(write(tmp_path / "a.xml", *layers))
    assert [shape.label for shape in drawing.shapes] == ["Epithelial", "Tumour"]


def test_a_negative_region_is_a_hole_of_the_one_around_it(tmp_path: Path) -> None:
    body = (
        region(0, [(0, 0), (10, 0), (10, 10), (0, 10)])
        + region(0, [(12, 0), (20, 0), (20, 10), (12, 10)])
        + region(0, [(2, 2), (5, 2), (5, 5), (2, 5)], 'NegativeROA="1"')
    )
    drawing = read_aperio(write(tmp_path / "a.xml", annotation(body)))
    assert np.bincount(rasterise(drawing.shapes, None, (12, 22)).instances.ravel()).tolist() == [
        12 * 22 - 91 - 80,
        91,
        80,
    ]


def test_outlines_that_are_none_are_dropped_with_a_reason(tmp_path: Path) -> None:
    body = (
        region(0, [(0, 0), (9, 0)])
        + region(0, [(0, 0), (9, 9), (9, 0), (0, 9)])
        + region(0, [(0, 0), (float("nan"), 9), (9, 0), (0, 9)])
        # a freehand outline whose end overshoots its start by a pixel
        + region(0, [(0, 0), (40, 0), (40, 40), (0, 40), (0, -1), (1, 1), (-1, 1)])
    )
    drawing = read_aperio(write(tmp_path / "a.xml", annotation(body)))
    assert [d.why.split(":")[0] for d in drawing.dropped] == [
        "an outline needs 3 points, here are 2",
        "self-crossing",
        "a coordinate is NaN or infinite",
    ]
    assert len(drawing.shapes) == 1
