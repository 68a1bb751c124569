"""What lies still is told from what trembles, rolls, is pushed or sinks, by closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from tests.tiny import tiny_clip
from vdpm import resting
from vdpm.clip import Clip, Contacts, Physics

FRAMES = 20


def clip_of(x: np.ndarray, z: float = 0.5, touches: slice = slice(None), role: str = "resting") -> Clip:
    """The box of 1 m at places along x, its middle at a height, touching the floor at some frames."""
    clip = tiny_clip(FRAMES)
    poses = clip.surfaces.world_from_body.copy()
    poses[:, 1] = np.eye(4)
    poses[:, 1, 0, 3], poses[:, 1, 2, 3] = x, z
    frame = np.arange(FRAMES, dtype=np.int32)[touches]
    count = len(frame)
    contacts = Contacts(
        frame=frame,
        bodies=np.tile(np.array([[0, 1]], np.int32), (count, 1)),
        position=np.zeros((count, 3), np.float32),
        normal=np.zeros((count, 3), np.float32),
        force=np.ones(count, np.float32),
        peak=np.ones(count, np.float32),
    )
    physics = Physics(
        velocity=np.zeros((FRAMES, 2, 3), np.float32),
        spin=np.zeros((FRAMES, 2, 3), np.float32),
        contacts=contacts,
        joint_position=np.zeros((FRAMES, 0), np.float32),
        joint_place=np.zeros((FRAMES, 0, 3), np.float32),
    )
    meta = {"bodies": [{"role": "ground"}, {"role": role}], "frame_rate": 12}
    return replace(clip, surfaces=replace(clip.surfaces, world_from_body=poses), physics=physics, meta=meta)


def test_what_trembles_is_told_by_its_amplitude():
    """1.5 mm to this side and that: 3 mm each frame, and over six steps it is where it was."""
    trembling = resting.measure(clip_of(0.0015 * (-1.0) ** np.arange(FRAMES)))
    np.testing.assert_allclose(trembling.excess, np.full(FRAMES - 6, 0.003), atol=1e-9)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(FRAMES),
        0.001 * np.arange(FRAMES),  # slides
        np.where(np.arange(FRAMES) < 10, 0.0, 0.006),  # is pushed once
        1e-4 * np.arange(FRAMES) ** 2 / 4,  # begins to roll
    ],
)
def test_what_slides_rolls_or_is_pushed_does_not_tremble(x):
    still = resting.measure(clip_of(x))
    assert len(still.excess) > 0
    np.testing.assert_allclose(still.excess, 0.0, atol=1e-9)


def test_what_flies_or_moves_is_not_at_rest():
    """Where it touches for frames 4 to 19, half a second around a frame is all contact from frame 7 to 16."""
    assert len(resting.measure(clip_of(np.zeros(FRAMES), touches=slice(4, None))).excess) == 10
    assert len(resting.measure(clip_of(0.004 * np.arange(FRAMES))).excess) == 0
    assert len(resting.measure(clip_of(np.zeros(FRAMES), role="structure")).excess) == 0
    assert len(resting.measure(replace(clip_of(np.zeros(FRAMES)), physics=None)).excess) == 0


def test_what_is_in_the_floor_is_measured():
    sunk = resting.measure(clip_of(np.zeros(FRAMES), z=0.493))
    np.testing.assert_allclose([sunk.lowest, sunk.lowest_at_rest], -0.007)
    flying = resting.measure(clip_of(np.zeros(FRAMES), z=0.493, touches=slice(0)))
    assert flying.lowest == pytest.approx(-0.007) and flying.lowest_at_rest == np.inf
