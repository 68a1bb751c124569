"""The truth that training sees of rendered clips, held against `vdpm.derive`, `vdpm.raycast` and itself."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tiny import tiny_clip
from vdpm import derive
from vdpm.clip import Clip
from vdpm.errors import UserError
from vdpm.geometry import invert, pixel_centres, project, transform
from vdpm.raycast import Seen, visibility
from vdpm.storage import encode, read_shard, write_shard
from vdpm.training import augment, procedural, rendered
from vdpm.training.example import Example
from vdpm.training.prepared import Cache, prepare
from vdpm.training.shards import Entry, index
from vdpm.training.windows import Window, draw

MINI = Path("benchmark/frozen/mini")
WINDOW = Window(frames=(9, 1, 17), target=2, stamps=(0, -8, 8))


def example(entry: Entry, window: Window, size: int, zoom: float = 1.0) -> Example:
    stored = prepare(entry, window.frames)
    return rendered.truth(stored, rendered.crops(stored, zoom, size), window, entry.name)


@pytest.fixture(scope="module")
def clip() -> Clip:
    return next(read_shard(MINI / "kubric_f-000000.tar"))


def test_whole_frames_are_what_is_derived(clip):
    found = example(index(MINI)[0], WINDOW, size=128)
    target = WINDOW.frames[WINDOW.target]
    for place, frame in enumerate(WINDOW.frames):
        hits = derive.hits(clip, frame)
        here, there = (derive.point_map(clip, hits, time, WINDOW.frames[0]) for time in (frame, target))
        assert np.array_equal(found.valid[place], np.isfinite(here[..., 0]))
        assert np.nanmax(np.abs(found.here[place] - here)) < 2e-4
        assert np.nanmax(np.abs(found.there[place] - there)) < 2e-4
        landed = project(derive.point_map(clip, hits, target, target), clip.cameras.K[target])
        inside = ((landed > 0) & (landed < 128)).all(axis=-1)
        assert np.abs(found.pixels[place] - landed)[inside].max() < 0.01
        truly = visibility(clip, hits, target) == Seen.VISIBLE
        assert (found.visible[place] == truly).mean() > 0.985


def test_points_that_deform(tmp_path):
    bent = tiny_clip(frames=6)
    moving = np.arange(4, 12, dtype=np.int32)
    shapes = np.stack([bent.surfaces.vertices[moving] * (1 + 0.1 * time) for time in range(6)]).astype(np.float32)
    bent = replace(bent, surfaces=replace(bent.surfaces, deforming=moving, shapes=shapes))
    write_shard(tmp_path / "bent.tar", [(bent.name, encode(bent))])
    window = Window(frames=(0, 5), target=1, stamps=(0, 5))
    entry = index(tmp_path)[0]
    stored = prepare(entry, window.frames)
    places = [augment.Crop(left=4.0, top=0.0, side=24.0, size=24)] * 2
    found = rendered.truth(stored, places, window, entry.name)
    hits = derive.hits(bent, 0)
    there = derive.point_map(bent, hits, 5, 0)[:, 4:28]
    assert np.nanmax(np.abs(there - derive.point_map(bent, hits, 0, 0)[:, 4:28])) > 0.2
    assert np.array_equal(found.known[0], np.isfinite(there[..., 0]))
    assert np.nanmax(np.abs(found.there[0] - there)) < 1e-4


def test_a_cache_changes_nothing(tmp_path):
    entry = index(MINI)[1]
    cache = Cache(folder=tmp_path)
    for frames in ((3, 4), (19, 0, 7)):
        fresh, kept = prepare(entry, frames), cache.frames(entry, frames)
        for image, other in zip(fresh.triangle, kept.triangle, strict=True):
            assert np.array_equal(image < 0, other < 0)
            assert np.array_equal(fresh.corners[image[image >= 0]], kept.corners[other[other >= 0]])
        assert np.array_equal(fresh.world_from_body, kept.world_from_body)
        assert np.array_equal(fresh.rgb, kept.rgb)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes().replace(b'"rgb"', b'"red"', 1))
    with pytest.raises(UserError, match="delete the cache"):  # another version of this package wrote it
        cache.frames(entry, (3,))


def test_workers_share_a_cache(tmp_path):
    """Many that prepare the same clip at the same time do not take each other's files away."""
    command = f"""
import sys, time
from pathlib import Path
from vdpm.training.prepared import Cache
from vdpm.training.shards import index
entry, started = index(Path({str(MINI)!r}))[0], float(sys.argv[1])
time.sleep(max(0.0, started - time.time()))
for round in range(8):
    Cache(folder=Path({str(tmp_path)!r}) / str(round)).frames(entry, (0,))
"""
    together = str(time.time() + 3.0)
    workers = [subprocess.Popen([sys.executable, "-c", command, together]) for _ in range(4)]
    assert [worker.wait(timeout=120) for worker in workers] == [0] * 4
    assert all(len(list(folder.iterdir())) == 1 for folder in tmp_path.iterdir())


EXAMPLES = {
    "rendered": lambda rng: example(index(MINI)[2], WINDOW, size=96, zoom=0.8),
    "procedural": lambda rng: procedural.example(rng, WINDOW, size=96),
    "mirrored": lambda rng: augment.mirrored(procedural.example(rng, WINDOW, size=96)),
}


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("seed", range(3))
def test_laws_of_an_example(kind, seed):
    """Points lie on the rays of their pixels, land on `pixels` in the target frame, and are found there if visible."""
    one = EXAMPLES[kind](np.random.default_rng(seed))
    height, width = one.here.shape[1:3]
    assert np.allclose(one.K[:, :2, 2], (width / 2, height / 2))
    target_from_reference = invert(one.reference_from_camera[one.target])
    for place, K in enumerate(one.K):
        seen = one.valid[place]
        own = transform(invert(one.reference_from_camera[place]), one.here[place].astype(float))
        off = np.linalg.norm(project(own, K) - pixel_centres(height, width), axis=-1)[seen]
        assert np.median(off) < 0.01 and np.quantile(off, 0.99) < 1.0
        landed = project(transform(target_from_reference, one.there[place].astype(float)), one.K[one.target])
        visible = one.visible[place]
        assert np.abs(landed - one.pixels[place])[visible].max() < 0.02
        assert (landed[visible] > -0.02).all() and (landed[visible] < width + 0.02).all()
        nothing = np.where(one.valid[one.target][..., None], one.here[one.target], np.nan)
        there, found = one.there[place][visible], bilinear(nothing, one.pixels[place][visible])
        assert np.nanmedian(np.linalg.norm(there - found, axis=-1) / np.linalg.norm(there, axis=-1)) < 2e-3
    assert np.allclose(one.here[one.target], one.there[one.target], atol=1e-4)
    assert not one.here[~one.valid].any() and not one.there[~one.known].any()


def bilinear(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Values of an image between its pixel centres."""
    at = np.clip(pixels - 0.5, 0, np.array(image.shape[1::-1]) - 1.001)
    (u, v), (x, y) = np.floor(at).astype(int).T, (at % 1).T[..., None]
    top, bottom = image[v, u] * (1 - x) + image[v, u + 1] * x, image[v + 1, u] * (1 - x) + image[v + 1, u + 1] * x
    return top * (1 - y) + bottom * y


def test_a_crop_shows_what_its_camera_sees():
    """A picture of its own pixel coordinates, cropped and resized, says where in the picture each pixel centre is."""
    K = np.array([[100.0, 0.0, 70.0], [0.0, 100.0, 62.0], [0.0, 0.0, 1.0]])
    crop = augment.crop(K, 128, 128, zoom=0.9, size=48)
    columns = np.tile(np.arange(128, dtype=np.float32) + 0.5, (128, 1))
    seen = np.asarray(Image.fromarray(columns).resize((48, 48), Image.Resampling.BILINEAR, box=crop.box))
    ray = (np.arange(48) + 0.5 - crop.intrinsics(K)[0, 2]) / crop.intrinsics(K)[0, 0]
    assert np.allclose(crop.intrinsics(K)[:2, 2], 24.0)
    assert np.abs(seen[20] - (100.0 * ray + 70.0))[1:-1].max() < 0.05


def test_windows():
    rng = np.random.default_rng(0)
    drawn = [draw(rng, 20, 5, (1, 4), "any-of-both") for _ in range(300)]
    for window in drawn:
        frames, stamps = np.array(window.frames), np.array(window.stamps)
        assert (0 <= frames).all() and (frames < 20).all() and stamps[0] == 0
        assert len({*np.abs(np.diff(np.sort(frames)))}) == 1
        assert np.array_equal(frames - frames[0], stamps) or np.array_equal(frames[0] - frames, stamps)
        assert list(stamps[1:]) == sorted(stamps[1:])
    assert {window.target for window in drawn} == set(range(5))
    assert {window.stamps[1] > 0 for window in drawn} == {True, False}
    assert {window.frames[0] > window.frames[-1] for window in drawn} == {True, False}


def test_windows_fit_short_clips():
    rng = np.random.default_rng(0)
    assert sorted(draw(rng, 3, 3, (4, 4), "first").frames) == [0, 1, 2]
    with pytest.raises(UserError, match="no window"):
        draw(rng, 2, 3, (1, 1), "first")
