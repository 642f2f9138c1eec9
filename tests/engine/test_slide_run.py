"""Slides through a model: what is found does not depend on how the work was cut."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile

from fakes.components import Deadly, components
from fakes.models import MARGIN, TILE, Blots
from histoseg.contracts import Array, Nuclei, Predicted
from histoseg.engine.slides.decode import decode
from histoseg.engine.slides.forward import Forward
from histoseg.engine.slides.locks import at_work
from histoseg.engine.slides.plan import plan
from histoseg.engine.slides.settings import Settings
from histoseg.engine.slides.slide_run import SlideRun
from histoseg.errors import SlideError, WorkerDiedError
from histoseg.slides import Grid, SlideEntry
from histoseg.writers import check_geojson, write_geojson

SIZE = (700, 900)
PER_CM = 1e4 / 0.25


def blots(height: int, width: int, count: int = 260) -> Array:
    """Dark blots of many sizes on pink, some of them in clumps, some cut by the border."""
    rng = np.random.default_rng(0)
    image = np.full((height, width, 3), (235, 200, 220), np.uint8)
    for x, y, a, b, turn in rng.integers((0, 0, 3, 3, 0), (width, height, 25, 12, 180), (count, 5)):
        centre, axes = (int(x), int(y)), (int(a), int(b))
        cv2.ellipse(image, centre, axes, float(turn), 0, 360, (95, 60, 140), -1)
    return (image + rng.integers(-9, 10, image.shape)).clip(0, 255).astype(np.uint8)


def write_slide(path: Path, image: Array, **options: Any) -> Path:
    given = {"resolution": (PER_CM, PER_CM), "resolutionunit": "CENTIMETER", **options}
    tifffile.imwrite(path, image, photometric="rgb", tile=(128, 128), **given)
    return path


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slide(tmp_path_factory.mktemp("slide") / "blots.tif", blots(*SIZE))


class Keep:
    """A writer that keeps what it is given in memory."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path, prediction: Predicted) -> Path:
        self.calls += 1
        self.prediction = prediction
        self.nuclei = Nuclei.joined(list(prediction.parts()))
        self.labels = np.zeros(prediction.size, np.int32)
        for x, y, labels in prediction.label_parts():
            place = self.labels[y : y + labels.shape[0], x : x + labels.shape[1]]
            place[labels > 0] = labels[labels > 0]
        path = folder / "kept.txt"
        path.write_text(str(len(self.nuclei)))
        return path


def settings(output: Path, **given: Any) -> Settings:
    batch_size = given.pop("batch_size", 8)
    own: dict[str, Any] = {
        "writers": {"keep": Keep()}, "model_mpp": 0.25, "mpp": None, "region": 160, "halo": 100,
        "overlap": 0, "cache": 2**30, "workers": 0, "tissue": "none", "stains": True,
        "save_mask": False, "save_thumb": False, "stamp": "model",
    }  # fmt: skip
    facts = {"postprocess": given.pop("postprocess", components)}
    module = given.pop("module", None) or Blots(**facts).eval()
    return Settings(output, Forward(module, batch_size), **(own | given))


def found(slide: Path, output: Path, **given: Any) -> Keep:
    own = settings(output, **given)
    row = SlideRun(SlideEntry(slide, "blots"), own).run()
    keep = own.writers["keep"]
    assert isinstance(keep, Keep)
    assert row["state"] == "done"
    assert row["nuclei"] == len(keep.nuclei)
    return keep


def as_rows(nuclei: Nuclei) -> list[tuple[Any, ...]]:
    """Everything about each nucleus but its number, in an order of its own."""
    stains = np.stack(list(nuclei.measures.values()), axis=1).tolist()
    columns = (nuclei.box_xyxy.tolist(), nuclei.centroid_xy.tolist(), nuclei.score.tolist(), stains)
    contours = [contour.tolist() for contour in nuclei.contours()]
    return sorted(zip(*columns, contours, nuclei.semantic.tolist(), strict=True))


@pytest.fixture(scope="module")
def whole(slide: Path, tmp_path_factory: pytest.TempPathFactory) -> Keep:
    """As one region."""
    return found(slide, tmp_path_factory.mktemp("whole"), region=4096)


@pytest.mark.parametrize(
    "given",
    [
        {"region": 64},
        {"region": 160, "batch_size": 3},
        {"region": 333, "cache": 0},
        {"region": 160, "cache": 30 * 32 * 32 * 4 * 4},
        {"region": 160, "workers": 2, "batch_size": 5},
    ],
    ids=str,
)
def test_nuclei_do_not_depend_on_how_the_work_is_cut(
    slide: Path, whole: Keep, tmp_path: Path, given: dict[str, Any]
) -> None:
    got = found(slide, tmp_path, **given)
    assert len(got.nuclei) == len(whole.nuclei) > 100
    assert as_rows(got.nuclei) == as_rows(whole.nuclei)
    assert got.nuclei.ids.tolist() == list(range(1, len(got.nuclei) + 1))
    np.testing.assert_array_equal(got.labels > 0, whole.labels > 0)
    for k, (x, y) in zip(
        got.nuclei.ids, got.nuclei.points_xy[got.nuclei.offsets[:-1]], strict=True
    ):
        assert got.labels[y, x] == k


def test_every_pixel_up_to_the_border_is_predicted(slide: Path, whole: Keep) -> None:
    """Against the network on the whole picture, mirrored at its border, tile by tile."""
    image, step = tifffile.imread(slide), TILE - 2 * MARGIN
    rows, columns = -(-SIZE[0] // step), -(-SIZE[1] // step)
    after = [
        (MARGIN, n * step - size + MARGIN) for n, size in zip((rows, columns), SIZE, strict=True)
    ]
    padded = np.pad(image, (*after, (0, 0)), mode="reflect")
    canvas = np.zeros((rows * step, columns * step), np.float32)
    forward = Forward(Blots().eval(), columns)
    for row in range(rows):
        strip = padded[row * step : row * step + TILE]
        maps = forward.launch([strip[:, c * step : c * step + TILE] for c in range(columns)])
        for c, m in enumerate(maps["np"][:, 0].numpy()):
            canvas[row * step : (row + 1) * step, c * step : (c + 1) * step] = m
    truth = components({"np": canvas[None, : SIZE[0], : SIZE[1]]})
    assert len(truth) == len(whole.nuclei)
    np.testing.assert_array_equal(truth.labels > 0, whole.labels > 0)
    touching = [truth.labels[0], truth.labels[-1], truth.labels[:, 0], truth.labels[:, -1]]
    assert all(line.any() for line in touching)


def test_blended_outputs_do_not_depend_on_regions_either(slide: Path, tmp_path: Path) -> None:
    one = found(slide, tmp_path / "one", overlap=12, region=4096)
    many = found(slide, tmp_path / "many", overlap=12, region=120, cache=2**18)
    assert as_rows(one.nuclei) == as_rows(many.nuclei)


def test_a_mask_leaves_tiles_out(slide: Path, whole: Keep, tmp_path: Path) -> None:
    mask = np.zeros((70, 90), np.uint8)
    mask[:, 45:] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    own = settings(
        tmp_path / "out", tissue=str(tmp_path / "mask.png"), save_mask=True, save_thumb=True
    )
    run = SlideRun(SlideEntry(slide, "blots"), own)
    row = run.run()
    nuclei = own.writers["keep"].nuclei  # type: ignore[union-attr]
    assert 0 < len(nuclei) < len(whole.nuclei)
    assert nuclei.box_xyxy[:, 0].min() >= 450 - TILE
    assert row["mm2"] == pytest.approx(700 * 452 * 0.25**2 / 1e6, abs=1e-4)
    assert sorted(p.name for p in (tmp_path / "out" / "mask").iterdir()) == [
        "blots.geojson",
        "blots.png",
    ]
    assert (tmp_path / "out" / "thumb" / "blots.png").is_file()
    inner = [r for r in as_rows(whole.nuclei) if r[0][0] > 450]
    assert set(map(str, inner)) <= set(map(str, as_rows(nuclei)))


def test_finished_slides_are_skipped_until_something_changes(slide: Path, tmp_path: Path) -> None:
    own = settings(tmp_path)
    entry = SlideEntry(slide, "blots")
    first = SlideRun(entry, own).run()
    again = SlideRun(entry, own).run()
    assert (first["state"], again["state"]) == ("done", "skipped")
    assert again["nuclei"] == first["nuclei"]
    assert own.writers["keep"].calls == 1  # type: ignore[union-attr]
    assert SlideRun(entry, replace(own, stamp="other")).run()["state"] == "done"
    (tmp_path / "kept.txt").write_text("changed")
    assert SlideRun(entry, replace(own, stamp="other")).run()["state"] == "done"
    assert [p.name for p in (tmp_path / ".parts").iterdir()] == ["blots.json"], "parts are removed"


def test_what_is_done_is_kept_after_an_error(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def failing(task: Any) -> Any:
        calls.append(task.region.number)
        if len(calls) == 5:
            raise OSError(28, "No space left on device", "part")
        return decode(task)

    own = settings(tmp_path)
    run = SlideRun(SlideEntry(slide, "blots"), own)
    with monkeypatch.context() as patch:
        patch.setattr("histoseg.engine.slides.stream.decode", failing)
        with pytest.raises(OSError, match="No space"):
            run.run()
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / ".parts" / "blots").glob("*.npz")}
    assert len(kept) == 4
    next(iter(kept)).write_bytes(b"cut")  # as if the disk had lost it
    with monkeypatch.context() as patch:
        again: list[int] = []
        patch.setattr(
            "histoseg.engine.slides.stream.decode",
            lambda t: (again.append(t.region.number), decode(t))[1],
        )
        assert SlideRun(SlideEntry(slide, "blots"), own).run()["state"] == "done"
    assert len(again) == len(run._regions) - 3


def test_a_process_that_dies_is_noticed_and_its_work_done_again(
    slide: Path, whole: Keep, tmp_path: Path
) -> None:
    deadly = Deadly(tmp_path / "died")
    got = found(slide, tmp_path / "out", workers=2, region=320, postprocess=deadly)
    assert deadly.once is not None
    assert deadly.once.exists()
    assert as_rows(got.nuclei) == as_rows(whole.nuclei)


def test_processes_that_die_always_end_the_slide(slide: Path, tmp_path: Path) -> None:
    own = settings(tmp_path, workers=2, postprocess=Deadly())
    with pytest.raises(WorkerDiedError, match="too little memory"):
        SlideRun(SlideEntry(slide, "blots"), own).run()


def test_ranks_give_what_one_process_gives(slide: Path, whole: Keep, tmp_path: Path) -> None:
    entry = SlideEntry(slide, "blots")
    rows, kept = [], []
    for rank in (1, 0, 1):
        own = settings(tmp_path, rank=rank, ranks=2)
        rows.append(SlideRun(entry, own).run())
        kept.append(own.writers["keep"])
    assert [row["state"] for row in rows] == ["partial", "done", "skipped"]
    assert isinstance(kept[1], Keep)
    assert as_rows(kept[1].nuclei) == as_rows(whole.nuclei)


def test_two_processes_do_not_work_on_one_slide_unless_they_share_it(
    slide: Path, tmp_path: Path
) -> None:
    entry, own = SlideEntry(slide, "blots"), settings(tmp_path)
    shared = replace(own, rank=0, ranks=2)
    with at_work(tmp_path / ".parts" / "blots", ranks=1):
        for other in (own, shared):
            with pytest.raises(SlideError, match="another process works on blots"):
                SlideRun(entry, other).run()
    with at_work(tmp_path / ".parts" / "blots", ranks=2):
        assert SlideRun(entry, shared).run()["state"] == "partial"
        with pytest.raises(SlideError, match="another process works on blots"):
            SlideRun(entry, own).run()
    assert SlideRun(entry, own).run()["state"] == "done"


def test_a_slide_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "a.tif", blots(64, 64, 3), resolution=(1, 1))
    with pytest.raises(SlideError, match="give mpp="):
        SlideRun(SlideEntry(path, "a"), settings(tmp_path / "out")).run()
    assert list((tmp_path / "out" / ".parts").iterdir()) == []


def test_a_slide_without_tissue_has_no_nuclei(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "glass.tif", np.full((300, 200, 3), 245, np.uint8))
    own = settings(tmp_path, tissue="auto", writers={"geojson": write_geojson})
    row = SlideRun(SlideEntry(path, "glass"), own).run()
    assert (row["state"], row["nuclei"], row["mm2"]) == ("done", 0, 0)
    assert check_geojson(tmp_path / "geojson" / "glass.geojson") == []


@pytest.mark.parametrize("resolution", [(72, 72), (1, 1)])
def test_a_slide_of_unknown_resolution_is_refused(
    resolution: tuple[int, int], tmp_path: Path
) -> None:
    path = write_slide(tmp_path / "a.tif", blots(64, 64, 3), resolution=resolution)
    own = settings(tmp_path / "out")
    with pytest.raises(SlideError, match="give mpp="):
        SlideRun(SlideEntry(path, "a"), own).run()
    assert SlideRun(SlideEntry(path, "a", mpp=0.25), own).run()["state"] == "done"


def test_tiles_are_computed_once_where_there_is_room() -> None:
    regions = list(Grid((1000, 1500), TILE, MARGIN, cells=4, halo=100).regions())
    once = [key[:2] for step in plan(regions, 10**6) for key in step.fresh]
    assert len(once) == len(set(once)) == 32 * 47
    for room in (0, 5, 200):
        held: set[tuple[int, int, int]] = set()
        for step in plan(regions, room):
            held |= set(step.fresh)
            assert set(step.uses) <= held
            assert [key[:2] for key in step.uses] == [tuple(c) for c in step.region.cells.tolist()]
            held -= set(step.drops)
            assert len(held) <= room


def test_nuclei_longer_than_the_halo_are_counted(
    slide: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found(slide, tmp_path / "enough")
    assert "longer than halo" not in caplog.text
    found(slide, tmp_path / "little", halo=4)
    assert "nuclei are longer than halo=4 and were cut" in caplog.text
