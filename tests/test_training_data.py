"""The stream of training batches: its order, and the laws that every batch obeys whatever its source."""

from dataclasses import fields, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch

from tests import layouts
from vdpm import derive
from vdpm.errors import UserError
from vdpm.model.poses import camera_from_world
from vdpm.training import order, pool, procedural, recorded
from vdpm.training.data import DataConfig, batches
from vdpm.training.example import collate
from vdpm.training.sample import MOVING, Batch
from vdpm.training.windows import Window

MINI = "benchmark/frozen/mini"
SOURCES = ("procedural", MINI)


def some(config: DataConfig, seed: int = 0, start: int = 0, count: int = 3) -> list[Batch]:
    return list(islice(batches(config, seed, start), count))


def same(one: Batch, other: Batch) -> bool:
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(Batch)]
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


@pytest.mark.parametrize("source", SOURCES)
def test_laws_of_a_batch(source):
    for batch in some(DataConfig(sources=source, batch=2, frames=(2, 5), size=48)):
        for window in range(2):
            valid, target = batch.valid[window], int(batch.target[window])
            distance = batch.here[window][valid].norm(dim=-1).mean()
            assert float(distance) == pytest.approx(1.0, abs=1e-4)
            assert torch.allclose(batch.here[window, target], batch.there[window, target], atol=1e-6)
        step = (batch.there - batch.here).norm(dim=-1)
        assert torch.equal(batch.moving, batch.known & (step > MOVING))
        assert not (batch.visible & ~batch.known).any()
        assert all(
            torch.isfinite(getattr(batch, name)).all() for name in ("here", "there", "pixels", "cameras", "images")
        )


def test_resume_and_workers_change_nothing():
    config = DataConfig(sources=f"procedural:0.5 {MINI}:0.5", batch=2, frames=(2, 3), size=32)
    count = 2 * pool.TURNS + 2  # each of two workers fills its memory more than once, and all batches are kept
    whole = some(config, count=2 + count)
    assert all(map(same, whole[2:], some(config, start=2, count=count)))
    assert all(map(same, whole[2:], some(replace(config, workers=2), start=2, count=count)))


def test_too_little_shared_memory_is_said_in_one_line():
    with pytest.raises(UserError, match=r"2 workers need 6442450944 MiB .*--shm-size"):
        pool.Pool(2, 1 << 50)


def test_sources_are_mixed_by_weight_and_clips_come_in_epochs():
    weights = (0.5, 0.3, 0.2)
    drawn = [order.place(weights, 7, number) for number in range(10 * order.BLOCK)]
    for source, weight in enumerate(weights):
        numbers = [nth for chosen, nth in drawn if chosen == source]
        assert numbers == list(range(len(numbers)))  # none is left out or shown twice
        assert len(numbers) / len(drawn) == pytest.approx(weight, abs=0.5 / order.BLOCK)
    epochs = [[order.clip(7, 0, 11 * epoch + place, 11) for place in range(11)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(11)) for epoch in epochs) and epochs[0] != epochs[1]
    assert [order.clip(8, 0, place, 11) for place in range(11)] != epochs[0]


def test_even_tiny_weights_are_shown():
    assert min(order.shares((1.0, 1e-6, 1e-6))) == 1 and sum(order.shares((1.0, 1e-6, 1e-6))) == order.BLOCK


@pytest.mark.parametrize("sources", ["", "procedural:0", "procedural procedural", "no/such/folder:0.5"])
def test_bad_sources_are_one_line(sources: str):
    with pytest.raises(UserError):
        some(DataConfig(sources=sources))


def test_processes_share_the_stream():
    config = DataConfig(sources=MINI, batch=1, frames=(2,), size=32)
    whole = some(config, count=6)
    second = list(islice(batches(config, 0, start=1, step=2), 3))
    assert all(map(same, whole[1::2], second))


def test_only_known_motion_is_supervised():
    """A source of sparse tracks knows P everywhere and Q at few pixels."""
    one = procedural.example(np.random.default_rng(0), Window(frames=(0, 5), target=1, stamps=(0, 5)), 32)
    few = np.zeros_like(one.known)
    few[:, ::8, ::8] = one.known[:, ::8, ::8]
    sparse = replace(one, there=one.there * few[..., None], known=few, visible=one.visible & few)
    batch, dense = collate([sparse]), collate([one])
    assert torch.equal(batch.valid, dense.valid) and torch.equal(
        batch.moving[0], dense.moving[0] & torch.from_numpy(few)
    )
    assert not batch.there[~batch.known].any() and batch.moving.any()
    unposed = collate([replace(one, posed=False)])
    assert not unposed.posed.any() and not unposed.cameras.any()


def test_cameras_project_points_to_pixels():
    """The pose encoding, the points and the pixels of a batch speak of the same cameras."""
    batch = some(DataConfig(sources=f"procedural {MINI}", batch=4, frames=(3,), size=48), count=1)[0]
    for window in range(4):
        target = int(batch.target[window])
        there = batch.there[window].double()
        matrix = camera_from_world(batch.cameras[window, target].double())
        seen = there @ matrix[:, :3].T + matrix[:, 3]
        half = (batch.cameras[window, target, 7:].double() / 2).tan()
        image = 24 * (1 + seen[..., :2] / seen[..., 2:] / half.flip(-1))
        visible = batch.visible[window]
        assert (image - batch.pixels[window])[visible].abs().max() < 0.02


def test_shards_behind_addresses(tmp_path):
    """Fetched once over a real connection, then the same stream as from the folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=MINI)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/kubric_f-{{000000..000000}}.tar"
        config = DataConfig(sources=f"{address}:0.5", batch=1, frames=(2,), size=32, cache=tmp_path)
        remote = some(config)
        with pytest.raises(UserError, match="cannot fetch"):
            some(replace(config, sources=address.replace("kubric", "nothing")))
        server.shutdown()
    assert all(map(same, remote, some(replace(config, sources=MINI))))
    assert all(map(same, remote, some(config)))  # the server is gone
    with pytest.raises(UserError, match="cache"):
        some(replace(config, cache=None))


@pytest.mark.parametrize("name", ["pointodyssey", "tapvid3d:drivetrack"])
def test_data_sets_with_tracks(name: str, tmp_path: Path):
    """Motion is known at tracked pixels, where it is the truth that the layout was written from."""
    made = layouts.scene(frames=6)
    layouts.WRITERS[name](tmp_path / "data", made)
    config = DataConfig(
        sources=f"{name}={tmp_path / 'data'}:0.5", batch=2, frames=(3,), size=64, cache=tmp_path / "kept"
    )
    found = some(config)
    assert all(map(same, found, some(replace(config, workers=1))))
    for batch in found:
        assert batch.known.any() and not (batch.known & ~batch.valid).any() and not (batch.visible & ~batch.known).any()
        assert batch.known.sum() < 0.5 * batch.known.numel()
        assert (batch.valid.sum() > 2 * batch.known.sum()) == (name == "pointodyssey")  # which has depth as well
        assert not batch.there[~batch.known].any() and batch.posed.all()
    kept = recorded.find(f"{name}={tmp_path / 'data'}", tmp_path / "kept").kept(0, (1, 4))
    maps = recorded.truth(kept, kept.K, kept.depth, 1)
    hits = derive.hits(made.clip, 1)
    there = derive.point_map(made.clip, hits, 4, 1)
    off = np.linalg.norm(maps["there"][0] - there, axis=-1)[maps["known"][0]]
    assert maps["known"][0].sum() > 50 and np.nanmedian(off) < 0.02


def test_data_sets_need_a_cache_and_cameras(tmp_path: Path):
    layouts.WRITERS["tapvid3d:adt"](tmp_path, layouts.scene(frames=3))
    config = DataConfig(sources=f"tapvid3d:adt={tmp_path}", frames=(2,), size=32)
    with pytest.raises(UserError, match="--cache"):
        some(config)
    with pytest.raises(UserError, match="training needs cameras and tracks"):
        some(replace(config, cache=tmp_path / "kept"))
