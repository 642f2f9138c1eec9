"""A small good file of each format, and what can be wrong with one."""

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import tifffile
from PIL import Image
from roifile import ROI_TYPE, ImagejRoi
from scipy.io import savemat
from scipy.sparse import csc_matrix

RING = [[1, 1], [6, 1], [6, 5], [1, 5]]
XML = ("a.session.xml", "a.asap.xml", "a.xml")
JSON = ("a.geojson", "a.coco.json", "a.json")
PACKED = ("a.geojson.gz", "a.geojson.zip")
REGIONS = ("a.roi", "a.zip")
LABELS = ("a.mat", "a.npy", "a.patch.npy", "a.png", "a.tif")
TEXT, DRAWN = XML + JSON, XML + JSON + PACKED + REGIONS
EVERY = DRAWN + LABELS


def good(name: str, *rings: list[list[float]]) -> bytes:
    """A file with an object for each ring; 20 x 24 pixels where the format says the size."""
    if name in LABELS:
        return _labels(name, bool(rings))
    if name in REGIONS:
        regions = [_roi(np.array(ring)) for ring in rings]
        return (
            regions[0]
            if name == "a.roi"
            else zipped({f"{i}.roi": r for i, r in enumerate(regions)})
        )
    if name in PACKED:
        plain = good("a.geojson", *rings)
        return gzip.compress(plain) if name.endswith("gz") else zipped({"a.geojson": plain})
    return (_xml(name, rings) if name in XML else _json(name, rings)).encode()


def _xml(name: str, rings: tuple[list[list[float]], ...]) -> str:
    if name == "a.session.xml":
        point, drawn = (
            "<point>{},{}</point>",
            '<graphic type="polygon"><point-list>{}</point-list></graphic>',
        )
        image = "<image><dimensions>24,20</dimensions><overlays>{}</overlays></image>"
        frame = f"<session>{image}</session>"
    elif name == "a.asap.xml":
        point = '<Coordinate X="{}" Y="{}"/>'
        drawn = '<Annotation Type="Polygon"><Coordinates>{}</Coordinates></Annotation>'
        frame = "<ASAP_Annotations><Annotations>{}</Annotations></ASAP_Annotations>"
    else:
        point, drawn = '<Vertex X="{}" Y="{}"/>', "<Region><Vertices>{}</Vertices></Region>"
        frame = "<Annotations><Annotation><Regions>{}</Regions></Annotation></Annotations>"
    bodies = [drawn.format("".join(point.format(*xy) for xy in ring)) for ring in rings]
    return '<?xml version="1.0"?>\n' + frame.format("\n".join(bodies))


def _json(name: str, rings: tuple[list[list[float]], ...]) -> str:
    if name == "a.coco.json":
        flat = [[v for point in ring for v in point] for ring in rings]
        rows = [{"image_id": 1, "category_id": 1, "segmentation": [part]} for part in flat]
        image = {"id": 1, "file_name": "a.png", "height": 20, "width": 24}
        return json.dumps({"images": [image], "annotations": rows, "categories": []}, indent=1)
    if name == "a.json":
        return json.dumps({"nuc": {n: {"contour": ring} for n, ring in enumerate(rings)}}, indent=1)
    geometries = [{"type": "Polygon", "coordinates": [[*ring, ring[0]]]} for ring in rings]
    features = [{"type": "Feature", "geometry": g, "properties": {}} for g in geometries]
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1)


def _roi(ring: np.ndarray) -> bytes:
    whole = np.isfinite(ring).all() and np.abs(ring).max() < 1e6
    made = ImagejRoi.frompoints(ring if whole else np.array(RING[: len(ring)], dtype=float))
    made.roitype = ROI_TYPE.POLYGON
    if not whole:
        with np.errstate(over="ignore"):
            made.subpixel_coordinates = ring.astype(np.float32)
    return bytes(made.tobytes())


def _labels(name: str, some: bool) -> bytes:
    labels = np.random.default_rng(0).integers(1, 9, (20, 24)) * some
    file = io.BytesIO()
    if name == "a.mat":
        savemat(file, {"inst_map": labels}, do_compression=True)
    elif name == "a.png":
        Image.fromarray(labels.astype(np.uint8)).save(file, "PNG")
    elif name == "a.tif":
        tifffile.imwrite(file, labels.astype(np.int32), compression="zlib")
    else:
        np.save(file, labels if name == "a.npy" else np.dstack([labels] * 5))
    return file.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _bomb(name: str) -> bytes:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    start = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "boom">{entities}]>'
    return (
        good(name, RING)
        .replace(b'<?xml version="1.0"?>', start.encode())
        .replace(b">\n<", b">&e9;<")
    )


def _stolen(name: str) -> bytes:
    start = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
    return good(name, RING).replace(b'<?xml version="1.0"?>', start)


def _many(name: str) -> bytes:
    """64 MiB of blanks within the JSON, or behind the region."""
    blanks = b" " * (64 << 20)
    if name == "a.geojson.gz":
        return gzip.compress(good("a.geojson", RING) + blanks, 1)
    inside = {"a.geojson": good("a.geojson", RING) + blanks}
    return zipped(inside if name == "a.geojson.zip" else {"a.roi": good("a.roi", RING) + blanks})


def _leading_out(path: str) -> Callable[[str], bytes]:
    def content(name: str) -> bytes:
        member = "a.geojson" if name == "a.geojson.zip" else "a.roi"
        return zipped({path: good(member, RING)})

    return content


def _billion(name: str) -> bytes:
    side, content = 100_000, good(name, RING)
    if name == "a.png":
        header = b"IHDR" + struct.pack(">II", side, side) + content[24:29]
        return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    if name == "a.npy":
        file = io.BytesIO()
        facts = {"descr": "<i4", "fortran_order": False, "shape": (side, side)}
        np.lib.format.write_array_header_1_0(file, facts)
        return file.getvalue() + bytes(1000)
    if name == "a.mat":
        file = io.BytesIO()
        savemat(file, {"inst_map": csc_matrix((side, side))})
        return file.getvalue()
    if name == "a.tif":
        file = io.BytesIO(content)
        with tifffile.TiffFile(file) as tif:
            for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
                where = tif.pages[0].tags[tag]
                content = (
                    content[: where.valueoffset]
                    + struct.pack("<H", 65535)
                    + content[where.valueoffset + 2 :]
                )
        return content
    if name == "a.roi":
        made = ImagejRoi(roitype=ROI_TYPE.RECT, left=0, top=0, right=32000, bottom=32000)
        return bytes(made.tobytes())
    return (
        content.replace(b'"height": 20', b'"height": 99999')
        .replace(b'"width": 24', b'"width": 99999')
        .replace(b"24,20", b"99999,99999")
    )


# fault -> formats that can have it, the bytes, what the message says besides the file
REFUSED: dict[str, tuple[tuple[str, ...], Callable[[str], bytes], str]] = {
    "empty": (EVERY, lambda name: b"", "."),
    "truncated": (EVERY, lambda name: good(name, RING)[: len(good(name, RING)) // 2], "."),
    "noise": (EVERY, lambda name: bytes(range(256)) * 8, "."),
    "latin": (
        TEXT,
        lambda name: good(name, RING).replace(b"1", "\xfc".encode("latin-1"), 1),
        "line 1|UTF-8",
    ),
    "no such encoding": (
        XML,
        lambda name: good(name).replace(b'"1.0"', b'"1.0" encoding="u-99"'),
        "encod",
    ),
    "utf-16": (JSON, lambda name: good(name, RING).decode().encode("utf-16"), "not UTF-8"),
    "entity bomb": (XML, _bomb, "declares entities"),
    "entity of a file": (XML, _stolen, "declares entities"),
    "another kind": (XML, lambda name: b"<html><body/></html>", "<html>"),
    "no annotations": (JSON, lambda name: b'{"a": 1}', "expected|not GeoJSON"),
    "deep": (JSON, lambda name: b"[" * 200_000, "deep|damaged"),
    "packed bomb": ((*PACKED, "a.zip"), _many, "bomb"),
    "parent path": (("a.geojson.zip", "a.zip"), _leading_out("../a.roi.geojson"), "leads out"),
    "absolute path": (("a.geojson.zip", "a.zip"), _leading_out("/tmp/a.geojson"), "leads out"),
    "windows path": (("a.geojson.zip", "a.zip"), _leading_out("C:\\a.geojson"), "leads out"),
    "billion pixels": (
        ("a.png", "a.npy", "a.mat", "a.tif", "a.roi", "a.coco.json", "a.session.xml"),
        _billion,
        "expected 1 to|damaged|cannot be read",
    ),
    "far coordinates": (
        tuple(name for name in DRAWN if name not in ("a.session.xml", "a.coco.json", *REGIONS)),
        lambda name: good(name, [[1, 1], [9e6, 1], [9e6, 9e6]]),
        "expected 1 to",
    ),
}
