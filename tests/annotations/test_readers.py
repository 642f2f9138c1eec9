"""Each reader on files that other programs wrote, and by the words of its format."""

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from roifile import ROI_TYPE, ImagejRoi
from scipy import ndimage
from shapely.geometry import Point, Polygon

from histoseg.annotations import Shape, rasterise, read_drawing, read_drawings, read_objects
from histoseg.contracts import Array, Prediction
from histoseg.ops.run_lengths import column_boxes, column_counts, decode_counts, encode_counts
from histoseg.writers import write_coco, write_sedeen
from writers.drawn import CLASSES, hard_labels, instances_of, prediction_of

THEIRS = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
LINE = "unclosed: a line that does not end at its start has no area"


def mask_of(shape: Shape, size: tuple[int, int]) -> Array:
    return rasterise([shape], None, size).instances > 0


def test_sedeen_as_sedeen_wrote_it(shared_data: Path) -> None:
    drawing = read_drawing(shared_data / "annotations" / "dplabtools" / "sedeen1.xml")
    assert (drawing.image, drawing.size, drawing.mpp) == ("TUPAC-TE-234.svs", (31316, 27818), 0.252)
    assert [(s.kind, s.label) for s in drawing.shapes] == [
        *(("polygon", f"test {n}") for n in range(4)),
        *[("point", "test 6")] * 3,
    ]
    assert {s.colour for s in drawing.shapes} == {(0, 255, 0)}
    assert [(d.where, d.why) for d in drawing.dropped] == [
        ("graphic 4", LINE),
        ("graphic 5", "of type 'text', not an area"),
        ("graphic 7", "of type 'ruler', not an area"),
        ("graphic 8", "of type 'arrow', not an area"),
    ]
    rectangle, ellipse = (Polygon(drawing.shapes[n].exterior_xy) for n in (1, 2))
    assert rectangle.bounds == (10708.5, 24841.5, 13460.5, 26953.5)
    assert ellipse.area == pytest.approx(np.pi * 800 * 992, rel=1e-4)


def test_sedeen_to_maps_and_back(shared_data: Path, tmp_path: Path) -> None:
    drawing = read_drawing(shared_data / "annotations" / "dplabtools" / "sedeen1.xml")
    size = (31316 // 16, 27818 // 16)
    shapes = [shape.scaled((1 / 16, 1 / 16)) for shape in drawing.shapes]
    painted = rasterise(shapes, None, size)
    assert [d.why for d in painted.dropped] == ["a point has no area"] * 3
    pixels = np.bincount(painted.instances.ravel())[1:5]
    for count, shape in zip(pixels, drawing.shapes, strict=False):
        outline = Polygon(shape.exterior_xy)
        # at most the pixels that the outline passes can differ
        assert abs(count * 256 - outline.area) < outline.length * 16
    found = instances_of(painted.instances)
    image = np.zeros((*size, 3), dtype=np.uint8)
    path = write_sedeen(tmp_path, Prediction("TUPAC-TE-234", image, found, mpp=0.252 * 16))
    back = read_objects(path)
    np.testing.assert_array_equal(back.instances, painted.instances)
    again = read_drawing(path)
    assert (again.image, again.size, again.mpp) == ("TUPAC-TE-234", size, pytest.approx(4.032))


GRAPHIC = (
    '<graphic type="{}" name="{}" description="{}"><pen color="{}"/><point-list>{}</point-list>'
    "</graphic>"
)


def session(graphics: str, dimensions: str = "40,20", more: str = "") -> str:
    image = (
        f'<image identifier="a.png"><dimensions>{dimensions}</dimensions>'
        f"<overlays>{graphics}</overlays></image>"
    )
    return f"<session>{image}{more}</session>"


def graphic(kind: str, *points: tuple[float, float], **said: str) -> str:
    rows = "".join(f"<point>{x},{y}</point>" for x, y in points)
    return GRAPHIC.format(
        kind, said.get("name", "Region 0"), said.get("text", ""), said.get("pen", ""), rows
    )


def test_sedeen_shapes_turned_and_labels(tmp_path: Path) -> None:
    diamond = ((10, 2), (18, 10), (10, 18), (2, 10))
    path = tmp_path / "a.session.xml"
    path.write_text(
        session(
            graphic("rectangle", *diamond, name="tumour", text="seen by AB", pen="#0a0B0Cff")
            + graphic("ellipse", *diamond, text="stroma", pen="red")
            + graphic("polyline", *diamond, diamond[0], text="0.93")
            + graphic("polygon")
            + graphic("hexagon", *diamond),
            dimensions="20,40",
        )
    )
    drawing = read_drawing(path)
    assert [s.label for s in drawing.shapes] == ["tumour", "stroma", None]
    assert [s.colour for s in drawing.shapes] == [(10, 11, 12), None, None]
    square, circle, line = (mask_of(shape, (20, 20)) for shape in drawing.shapes)
    y, x = np.mgrid[:20, :20] + 0.5
    np.testing.assert_array_equal(square, abs(x - 10) + abs(y - 10) <= 8)
    # inscribed: it touches the middle of each side
    np.testing.assert_array_equal(circle, (x - 10) ** 2 + (y - 10) ** 2 <= 32)
    np.testing.assert_array_equal(line, square)
    assert [d.why for d in drawing.dropped] == [
        "it has no points",
        "of type 'hexagon', not an area",
    ]
    assert drawing.size == (40, 20)


def test_sedeen_dimensions_written_the_wrong_way_round(tmp_path: Path) -> None:
    wide = graphic("polygon", (1, 1), (35, 1), (35, 5))
    for dimensions in ("40,20", "20,40"):
        (tmp_path / "a.xml").write_text(session(wide, dimensions))
        assert read_drawing(tmp_path / "a.xml").size == (20, 40)


def test_sedeen_with_several_images(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(session(graphic("point", (1, 2)), more='<image identifier="b.png"/>'))
    assert list(read_drawings(path)) == ["a.png", "b.png"]
    (point,) = read_drawing(path, "a").shapes
    np.testing.assert_array_equal(point.exterior_xy, [[0.5, 1.5]])
    assert read_drawing(path, "b.png").shapes == ()


@pytest.mark.parametrize(
    ("name", "kinds", "dropped"),
    [
        ("brush", ["polygon"], []),
        ("ellipse", ["polygon"], []),
        ("line", [], [LINE]),
        ("multipoint", ["point"] * 3, []),
        ("point", ["point"], []),
        ("polygon", ["polygon"], []),
        ("polyline", [], [LINE]),
        ("rectangle", ["polygon"], []),
        ("wand", ["polygon"], []),
    ],
)
def test_qupath_as_qupath_wrote_it(
    shared_data: Path, name: str, kinds: list[str], dropped: list[str]
) -> None:
    drawing = read_drawing(shared_data / "annotations" / "wsidicom" / f"qupath-{name}.json")
    assert [shape.kind for shape in drawing.shapes] == kinds
    assert [d.why for d in drawing.dropped] == dropped


def test_a_rectangle_of_qupath_has_its_pixels(shared_data: Path) -> None:
    drawing = read_drawing(shared_data / "annotations" / "wsidicom" / "qupath-rectangle.json")
    (corner,) = [s.exterior_xy.min(axis=0) for s in drawing.shapes]
    moved = Shape("polygon", drawing.shapes[0].exterior_xy - corner - 0.5)
    assert mask_of(moved, (300, 300)).sum() == 210 * 176
    assert corner.tolist() == [26267.5, 15297.5]


def test_classes_of_qupath_0_2(shared_data: Path) -> None:
    path = shared_data / "annotations" / "wsidicom" / "qupath-polygon-cell-classified.json"
    drawing = read_drawing(path)
    assert [(s.label, s.colour) for s in drawing.shapes] == [
        *[("Cell", (127, 220, 58))] * 2,
        *[("Nucleus", (184, 115, 67))] * 2,
    ]


BOX = [[1, 1], [5, 1], [5, 5], [1, 5], [1, 1]]
HOLE = [[2, 2], [4, 2], [4, 4], [2, 4], [2, 2]]
APART = [[7, 7], [9, 7], [9, 9], [7, 9], [7, 7]]


def feature(geometry: object, properties: object = None, **more: object) -> dict[str, object]:
    return {"type": "Feature", "geometry": geometry, "properties": properties, **more}


def test_geometries_and_classifications_of_qupath(tmp_path: Path) -> None:
    box = {"type": "Polygon", "coordinates": [BOX]}
    features = [
        feature({"type": "Polygon", "coordinates": [BOX, HOLE]}),
        feature({"type": "MultiPolygon", "coordinates": [[BOX, HOLE], [APART]]}),
        feature(
            {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 9]]]},
            {"objectType": "cell", "classification": {"names": ["Tumor", "Positive"]}},
            nucleusGeometry=box,
        ),
        feature(box, {"classification": "Stroma", "measurements": {"a": float("nan")}}),
        feature(box, {"classification": {"name": "Old", "colorRGB": -65536}}),
        feature({"type": "GeometryCollection", "geometries": [box, {"type": "Point"}]}),
        feature(box, {"objectType": "tile"}),
        feature(None),
        feature(box, []),
        feature(box, "text"),
        "no feature",
    ]
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    drawing = read_drawing(path)
    masks = [mask_of(shape, (10, 10)) for shape in drawing.shapes]
    assert [mask.sum() for mask in masks] == [12, 16, 16, 16, 16, 16, 16]
    assert [s.label for s in drawing.shapes[2:5]] == ["Tumor: Positive", "Stroma", "Old"]
    assert drawing.shapes[4].colour == (255, 0, 0)
    assert [(d.where, d.why) for d in drawing.dropped] == [
        ("feature 5, part 1", "its geometry is empty"),
        ("feature 6", "a tile, not an object"),
        ("feature 7", "it has no geometry"),
        ("feature 9", "its 'properties' are no mapping"),
        ("feature 10", "its type is not 'Feature'"),
    ]


def test_one_feature_a_list_and_a_byte_order_mark(tmp_path: Path) -> None:
    one = feature({"type": "Polygon", "coordinates": [BOX]})
    for content in (one, [one], {"type": "FeatureCollection", "features": [one]}):
        path = tmp_path / "a.json"
        path.write_text(json.dumps(content), encoding="utf-8-sig")
        assert len(read_drawing(path).shapes) == 1


@pytest.mark.parametrize(
    ("name", "count", "share", "smallest", "largest"),
    [("image0", 259, 0.566, 1, 2208), ("image1", 104, 0.079, 10, 664)],
)
def test_imagej_as_imagej_wrote_it(
    shared_data: Path, name: str, count: int, share: float, smallest: int, largest: int
) -> None:
    path = shared_data / "impartial_vectra" / "labels" / "final" / f"{name}.zip"
    objects = read_objects(path, (400, 400))
    pixels = np.bincount(objects.instances.ravel())[1:]
    assert (len(pixels), pixels.min(), pixels.max()) == (count, smallest, largest)
    # traced outlines never touch along an edge: each cell is a part of its own
    assert ndimage.label(objects.instances > 0)[1] == count
    assert (objects.instances > 0).mean() == pytest.approx(share, abs=5e-4)
    assert not objects.dropped


def roi(
    kind: ROI_TYPE, points: object = ((1, 1), (5, 1), (5, 4), (1, 4)), **fields: object
) -> bytes:
    made = ImagejRoi.frompoints(np.asarray(points), name="x")
    made.roitype = kind
    for key, value in fields.items():
        setattr(made, key, value)
    return bytes(made.tobytes())


def bounded(kind: ROI_TYPE, left: int, top: int, right: int, bottom: int) -> bytes:
    made = ImagejRoi(roitype=kind, left=left, top=top, right=right, bottom=bottom)
    return bytes(made.tobytes())


def composite() -> bytes:
    path = []
    for ring in ([[0, 0], [8, 0], [8, 8], [0, 8]], [[2, 2], [2, 4], [4, 4], [4, 2]]):
        path += [0, *ring[0], *(v for point in ring[1:] for v in (1, *point)), 4]
    made = ImagejRoi(roitype=ROI_TYPE.RECT, left=0, top=0, right=8, bottom=8)
    made.multi_coordinates = np.array(path, dtype=np.float32)
    made.shape_roi_size = len(path)
    return bytes(made.tobytes())


def test_every_kind_of_imagej_region(tmp_path: Path) -> None:
    members = {
        "polygon.roi": roi(ROI_TYPE.POLYGON),
        "freehand.roi": roi(ROI_TYPE.FREEHAND, np.array([[1.5, 1.5], [5.5, 1.5], [5.5, 4.4]])),
        "traced.roi": roi(ROI_TYPE.TRACED, group=7, version=228),
        "rectangle.roi": bounded(ROI_TYPE.RECT, 2, 3, 6, 5),
        "oval.roi": bounded(ROI_TYPE.OVAL, 0, 0, 10, 6),
        "composite.roi": composite(),
        "point.roi": roi(ROI_TYPE.POINT),
        "line.roi": roi(ROI_TYPE.POLYLINE),
        "notes.txt": b"not a region",
    }
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    drawing = read_drawing(path)
    pixels = {s.where: mask_of(s, (12, 12)).sum() for s in drawing.shapes if s.kind == "polygon"}
    y, x = np.mgrid[:12, :12] + 0.5
    assert pixels == {
        "polygon.roi": 12,
        "freehand.roi": 5 + 3 + 2,  # row by row, the upper edge passes pixel centres
        "traced.roi": 12,
        "rectangle.roi": 8,
        "oval.roi": np.count_nonzero(((x - 5) / 5) ** 2 + ((y - 3) / 3) ** 2 <= 1),
        "composite.roi": 60,
    }
    assert [s.label for s in drawing.shapes if s.where == "traced.roi"] == ["group 7"]
    assert sum(s.kind == "point" for s in drawing.shapes) == 4
    assert [(d.where, d.why) for d in drawing.dropped] == [("line.roi", LINE)]
    (tmp_path / "one.roi").write_bytes(members["rectangle.roi"])
    assert len(read_drawing(tmp_path / "one.roi").shapes) == 1


def test_a_composite_with_curves_is_reported(tmp_path: Path) -> None:
    made = ImagejRoi(roitype=ROI_TYPE.RECT, left=0, top=0, right=8, bottom=8)
    made.multi_coordinates = np.array([0, 1, 1, 3, 1, 2, 3, 4, 5, 6, 4], dtype=np.float32)
    made.shape_roi_size = 11
    (tmp_path / "a.roi").write_bytes(made.tobytes())
    (dropped,) = read_drawing(tmp_path / "a.roi").dropped
    assert "turn it into polygons" in dropped.why


@pytest.mark.parametrize("seed", range(4))
def test_run_lengths_are_those_of_cocos_own_code(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((17, 23)) < (0.05, 0.5, 0.95, 1.1)[seed]
    theirs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    y, x = np.nonzero(mask)
    box = mask[y.min() : y.max() + 1, x.min() : x.max() + 1]
    counts = column_counts(box, (int(x.min()), int(y.min())), mask.shape)
    assert encode_counts(counts).encode() == theirs["counts"]
    np.testing.assert_array_equal(decode_counts(theirs["counts"]), counts)
    found = np.zeros_like(mask)
    for column, top, bottom in column_boxes(np.array(counts), mask.shape):
        found[top:bottom, column] = True
    np.testing.assert_array_equal(found, mask)


def coco(*annotations: dict[str, object], size: tuple[int, int] = (30, 40)) -> str:
    rows = [{"id": n, "image_id": 1, "category_id": 1, **a} for n, a in enumerate(annotations)]
    image = {"id": 1, "file_name": "a.png", "height": size[0], "width": size[1]}
    kinds = [{"id": 1, "name": "tumour", "color": [1, 2, 3]}]
    return json.dumps({"images": [image], "annotations": rows, "categories": kinds})


def test_coco_of_every_kind(tmp_path: Path) -> None:
    flat = [1, 1, 5, 1, 5, 4, 1, 4]
    runs = {"size": [30, 40], "counts": [31, 3, 27, 3, 30 * 40 - 64]}
    packed = {"size": [30, 40], "counts": encode_counts([31, 3, 27, 3, 30 * 40 - 64])}
    path = tmp_path / "a.json"
    path.write_text(
        coco(
            {"segmentation": [flat]},
            {"segmentation": [flat, [3, 1, 8, 1, 8, 4, 3, 4], [20, 20, 22, 20, 22, 22, 20, 22]]},
            {"segmentation": runs},
            {"segmentation": packed, "category_id": 5},
            {"segmentation": runs, "iscrowd": 1},
            {"segmentation": [], "bbox": [1, 2, 3, 4]},
            {"segmentation": [[1, 1, 2]]},
            {"segmentation": {"size": [30, 40], "counts": [31, 3]}},
            {"segmentation": {"size": [90, 40], "counts": [31, 3]}},
            {"segmentation": {"size": [30, 40], "counts": "!!"}},
            {"segmentation": {"size": [30, 40], "counts": [1.5, 2]}},
        )
    )
    drawing = read_drawing(path)
    masks = [mask_of(shape, (30, 40)) for shape in drawing.shapes]
    assert [mask.sum() for mask in masks] == [12, 25, 6, 6]
    np.testing.assert_array_equal(np.argwhere(masks[2])[[0, -1]], [[1, 1], [3, 2]])
    assert [s.label for s in drawing.shapes] == ["tumour", "tumour", "tumour", None]
    assert drawing.shapes[0].colour == (1, 2, 3)
    assert drawing.size == (30, 40)
    assert [d.why.split(",")[0] for d in drawing.dropped] == [
        "a crowd",
        "it has no outline",
        "a polygon of 3 numbers",
        "its runs cover 34 pixels of 1200",
        "its runs are of size [90",
        "its run lengths are damaged",
        "its run lengths are no list of whole numbers",
    ]


@pytest.mark.filterwarnings(THEIRS)
def test_coco_polygons_lie_where_cocos_own_code_puts_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        ring = Point(*rng.uniform(8, 22, 2)).buffer(rng.uniform(2, 7)).exterior.coords
        flat = np.array(ring).ravel().tolist()
        (tmp_path / "a.json").write_text(coco({"segmentation": [flat]}))
        ours = mask_of(read_drawing(tmp_path / "a.json").shapes[0], (30, 40))
        theirs = coco_mask.decode(coco_mask.frPyObjects([flat], 30, 40))[..., 0] > 0
        # theirs rounds the outline to fifths of a pixel: pixels on it may differ
        edge = cv2.morphologyEx(ours.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
        assert not (ours != theirs)[~edge].any()
        assert np.mean(ours == theirs) > 0.99


@pytest.mark.filterwarnings(THEIRS)
def test_cocos_own_code_reads_our_file(tmp_path: Path) -> None:
    labels = hard_labels()
    content = json.loads(write_coco(tmp_path, prediction_of(labels)).read_text())
    for annotation in content["annotations"]:
        mask = coco_mask.decode(annotation["segmentation"]) > 0
        np.testing.assert_array_equal(mask, labels == annotation["id"])
        assert annotation["area"] == coco_mask.area(annotation["segmentation"])
        assert annotation["bbox"] == coco_mask.toBbox(annotation["segmentation"]).tolist()
    assert [c["name"] for c in content["categories"]] == ["nucleus", *CLASSES]


@pytest.mark.parametrize(("name", "count"), [("dot", 1), ("pointset", 5), ("polygon", 1)])
def test_asap_as_asap_wrote_it(shared_data: Path, name: str, count: int) -> None:
    drawing = read_drawing(shared_data / "annotations" / "wsidicom" / f"asap-{name}.xml")
    assert len(drawing.shapes) == count
    assert {s.kind for s in drawing.shapes} == {"polygon" if name == "polygon" else "point"}
    assert {(s.label, s.colour) for s in drawing.shapes} == {(None, (244, 250, 88))}
    assert not drawing.dropped


def test_groups_of_asap_are_classes(tmp_path: Path) -> None:
    points = "".join(f'<Coordinate Order="{n}" X="{x}" Y="{y}"/>' for n, (x, y) in enumerate(BOX))
    rows = "".join(
        f'<Annotation Name="{name}" Type="{kind}" PartOfGroup="{group}" Color="blue">'
        f"<Coordinates>{points}</Coordinates></Annotation>"
        for name, kind, group in [
            ("Annotation 0", "Polygon", "Tumor"),
            ("mitosis", "Spline", "None"),
            ("Annotation 2", "Measurement", "None"),
        ]
    )
    path = tmp_path / "a.xml"
    path.write_text(f"<ASAP_Annotations><Annotations>{rows}</Annotations></ASAP_Annotations>")
    drawing = read_drawing(path)
    assert [s.label for s in drawing.shapes] == ["Tumor", "mitosis"]
    assert [mask_of(s, (9, 9)).sum() for s in drawing.shapes] == [16, 16]
    assert [d.why for d in drawing.dropped] == ["of type 'Measurement', not an area"]


def test_hovernet_json_with_and_without_its_frame(tmp_path: Path) -> None:
    nucleus = {"contour": [[1, 1], [4, 1], [4, 3], [1, 3]], "type": 2}
    nuclei = {"1": nucleus, "7": {**nucleus, "type": None}, "8": {"contour": None}}
    path = tmp_path / "a.json"
    for content in ({"mag": 40, "nuc": nuclei}, {k: nuclei[k] for k in "17"}):
        path.write_text(json.dumps(content))
        drawing = read_drawing(path)
        assert [s.label for s in drawing.shapes] == ["2", None]
        assert mask_of(drawing.shapes[0], (9, 9)).sum() == 12, "through pixel centres: 4 x 3"
        assert drawing.mpp == (0.25 if "mag" in content else None)
        assert len(drawing.dropped) == ("mag" in content)
