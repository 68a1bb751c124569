"""The stream of training batches: its order, and the laws that every batch obeys whatever its source."""

from dataclasses import fields, replace
from itertools import islice

import pytest
import torch

from vdpm.training.data import DataConfig, batches
from vdpm.training.sample import MOVING, Batch

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
        assert all(torch.isfinite(getattr(batch, name)).all() for name in ("here", "there", "pixels", "cameras", "images"))


def test_resume_and_workers_change_nothing():
    config = DataConfig(sources=f"procedural:0.5 {MINI}:0.5", batch=2, frames=(2, 3), size=32)
    whole = some(config, count=6)
    assert all(map(same, whole[2:], some(config, start=2, count=4)))
    assert all(map(same, whole[2:], some(replace(config, workers=2), start=2, count=4)))
