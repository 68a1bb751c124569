"""Light shared between frames: what it averages, what it leaves alone, and what it gives back, on worlds with known answers."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter

from generation.sharing import ENOUGH, Frame, blurred, frame_of, landing, restored, shared, window
from tests.tiny import tiny_clip
from vdpm.clip import Seen
from vdpm.derive import bodies, hits
from vdpm.raycast import visibility

NOISE = 0.1


@pytest.fixture(scope="module")
def clip():
    return tiny_clip(frames=3)


def noisy_frames(clip, light=(1.0, 1.0, 1.0), seed=0):
    """Frames of one albedo whose light is that of each frame, with noise."""
    rng = np.random.default_rng(seed)
    shape = (*clip.rgb.shape[1:3], 3)
    albedo, normal = np.full(shape, 0.5, np.float32), np.zeros(shape, np.float32)
    colours = [(0.52 * level * (1 + NOISE * rng.standard_normal(shape))).astype(np.float32) for level in light]
    return {number: frame_of(clip, number, colour, albedo, normal) for number, colour in enumerate(colours)}


def everything(clip):
    return np.ones(len(clip.surfaces.face_start) - 1, bool)


def test_windows_have_the_same_number_of_frames_wherever_there_are_enough():
    assert list(window(5, 2, 24)) == [3, 4, 5, 6, 7]
    assert list(window(0, 2, 24)) == [0, 1, 2, 3, 4] and list(window(23, 2, 24)) == [19, 20, 21, 22, 23]
    assert list(window(1, 2, 3)) == [0, 1, 2]


def test_points_land_where_rays_say_that_they_are_seen(clip):
    """Against `visibility`, which casts a ray to each point: the same, but at silhouettes and the rim of the other frame."""
    frames, source = noisy_frames(clip), hits(clip, 0)
    row, column, same = landing(clip, source, frames[0], frames[2], 2)
    oracle = visibility(clip, source, 2)
    body = bodies(clip, 2)
    inner = (minimum_filter(body, 3) == maximum_filter(body, 3))[row, column]
    inner &= (row > 0) & (row < len(row) - 1) & (column > 0) & (column < row.shape[1] - 1)
    inner &= source.seen & (oracle != Seen.OUTSIDE) & (oracle != Seen.BEHIND)
    visible = oracle == Seen.VISIBLE
    assert (visible & inner).mean() > 0.2 and (same == visible)[inner].mean() > 0.99
    assert not same[source.seen & (oracle == Seen.OUTSIDE)].any()
    assert (bodies(clip, 2)[row, column] == bodies(clip, 0))[same].all()
    row, column, same = landing(clip, source, frames[1], frames[1], 1)
    assert not same.all(), "points of frame 0 are elsewhere in frame 1"


def test_noise_goes_down_as_the_number_of_frames_says(clip):
    frames = noisy_frames(clip)
    source, seen = hits(clip, 1), np.ones(clip.rgb.shape[1:3], bool)
    for other in (0, 2):
        seen &= landing(clip, source, frames[1], frames[other], other)[2]
    light = shared(clip, 1, frames, everything(clip)) / 0.52
    assert seen.mean() > 0.2
    assert light[seen].std() == pytest.approx(NOISE / np.sqrt(3), rel=0.2)
    assert light[seen].mean() == pytest.approx(1.0, abs=0.01)


def test_other_light_is_not_taken_and_nothing_of_what_is_glass(clip):
    """A frame twice as bright has no say; nor has any, for bodies whose light does not stay with them."""
    alone = noisy_frames(clip)[1].light
    other = shared(clip, 1, noisy_frames(clip, light=(2.0, 1.0, 2.0)), everything(clip)) / 0.52
    np.testing.assert_allclose(other, alone, rtol=2e-3)
    none = shared(clip, 1, noisy_frames(clip), ~everything(clip)) / 0.52
    np.testing.assert_allclose(none, alone, rtol=1e-5)


def test_what_the_denoiser_took_away_is_given_back_as_far_as_it_follows_the_albedo():
    """Contrast of a texture that was halved, under noise: back, but for its mean. Small bodies and single bright paths: no
    change."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    texture = np.where((x // 12 + y // 12) % 2, 0.7, 0.3)[..., None].repeat(3, axis=-1).astype(np.float32)
    wrong = (0.5 + (texture - 0.5) * 0.5).astype(np.float32)
    noisy = (texture * (1 + NOISE * rng.standard_normal(texture.shape))).astype(np.float32)
    body = np.zeros((96, 96), np.int32)
    body[:20, :20] = 1
    assert (body == 1).sum() < ENOUGH < (body == 0).sum()
    level = texture[..., 0]
    frame = Frame(light=noisy, albedo=texture, normal=noisy, level=level, body=body, nearest=level, farthest=level)
    back = restored(wrong, noisy, frame)
    np.testing.assert_array_equal(back[:20, :20], wrong[:20, :20])
    large = body == 0
    assert np.abs(back - texture)[large].mean() < 0.03 < 0.09 < np.abs(wrong - texture)[large].mean()
    noisy[60, 60] = 1e6
    assert np.abs(restored(wrong, noisy, frame) - back).max() < 0.02


def test_a_blur_keeps_what_is_constant_and_the_sum():
    image = np.full((33, 50, 2), 3.0, np.float32)
    np.testing.assert_allclose(blurred(image)[:16, :24], 3.0, atol=0.3)
    spot = np.zeros((256, 256, 1), np.float32)
    spot[128, 128] = 1.0
    spread = blurred(spot)[..., 0]
    assert spread.sum() == pytest.approx(1.0, abs=1e-3)
    place = np.arange(256) - 127.5
    assert np.sqrt((spread.sum(axis=0) * place**2).sum()) == pytest.approx(16, rel=0.05)
