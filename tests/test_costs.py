"""The costs of truth: sizes add up to the shard's, and every clip is counted with its family."""

from dataclasses import replace

import pytest

from generation import costs
from tests.tiny import tiny_clip
from vdpm.storage import encode


def test_sizes_are_those_of_the_members():
    clip = tiny_clip(frames=3)
    other = replace(clip, name="room-0-00000000", meta={**clip.meta, "family": "room"})
    measured = costs.no_costs()
    for one in (clip, other, clip):
        costs.measure(measured, one, encode(one))
    assert {name: len(cost.depth) for name, cost in measured.items()} == {"tiny": 2, "room": 1}
    size = sum(len(data) for data in encode(clip).values()) / 1e6
    assert measured["tiny"].megabytes[0] + measured["tiny"].images[0] == pytest.approx(size)
    assert min(measured["room"].depth + measured["room"].points) > 0
    lines = costs.table(measured).splitlines()
    assert [line.split()[0] for line in lines] == ["family", "room", "tiny", "all"] and lines[-1].split()[1] == "3"
