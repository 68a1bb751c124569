"""Averaging along true motion: what stays where it is seen gets nearer to its mean, and nothing else is touched."""

import numpy as np
import pytest

from generation.bench.temporal import averaged, carried, inside
from tests.tiny import tiny_clip
from vdpm.derive import bodies, hits


@pytest.fixture(scope="module")
def clip():
    return tiny_clip(frames=3)


def test_points_are_carried_to_where_they_are_seen(clip):
    """Into the frame itself: every pixel to itself. Into another: to pixels of the same body, away from its edges."""
    source, body = hits(clip, 0), bodies(clip, 0)
    place, same = carried(clip, 0, 0, source)
    assert (same == (inside(body) & source.seen)).all() and same.any()
    np.testing.assert_allclose(place[:, same], np.argwhere(same).T, atol=1e-6)
    place, same = carried(clip, 0, 2, source)
    row, column = np.round(place[:, same]).astype(int)
    assert same.any() and (bodies(clip, 2)[row, column] == body[same]).all()


def test_noise_is_averaged_away_and_other_light_is_not_taken(clip):
    rng = np.random.default_rng(0)
    shape = (*clip.rgb.shape[1:3], 3)
    clean = {frame: np.full(shape, 1.0, np.float32) for frame in range(3)}
    noisy = {frame: (1 + 0.1 * rng.standard_normal(shape)).astype(np.float32) for frame in range(3)}
    light, frames = averaged(clip, 1, noisy, clean, 0.05)
    whole = frames > 2.9
    assert whole.mean() > 0.2 and frames.max() <= 3
    assert light[whole].std() == pytest.approx(0.1 / np.sqrt(3), rel=0.15)
    np.testing.assert_array_equal(light[frames <= 1], noisy[1][frames <= 1])
    changed = clean | {0: 2 * clean[0], 2: 2 * clean[2]}
    light, frames = averaged(clip, 1, noisy, changed, 0.05)
    np.testing.assert_allclose(light, noisy[1], atol=1e-5)
    assert frames.max() < 1.001
