"""Light shared between frames: what it averages, what it leaves alone, and what it gives back, on worlds with known answers."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter

from generation.lowpass import blurred, smooth
from generation.restoring import ENOUGH, contrast, restored
from generation.sharing import frame_of, landing, once, shared, window
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
    place, same = landing(clip, source, frames[0], frames[2], 2)
    row, column = np.divmod(place, place.shape[1])
    oracle = visibility(clip, source, 2)
    body = bodies(clip, 2)
    inner = (minimum_filter(body, 3) == maximum_filter(body, 3))[row, column]
    inner &= (row > 0) & (row < len(row) - 1) & (column > 0) & (column < row.shape[1] - 1)
    inner &= source.seen & (oracle != Seen.OUTSIDE) & (oracle != Seen.BEHIND)
    visible = oracle == Seen.VISIBLE
    assert (visible & inner).mean() > 0.2 and (same == visible)[inner].mean() > 0.99
    assert not same[source.seen & (oracle == Seen.OUTSIDE)].any()
    assert (bodies(clip, 2)[row, column] == bodies(clip, 0))[same].all()
    _, same = landing(clip, source, frames[1], frames[1], 1)
    assert not same.all(), "points of frame 0 are elsewhere in frame 1"


def test_noise_goes_down_as_the_number_of_frames_says(clip):
    frames = noisy_frames(clip)
    source, seen = hits(clip, 1), np.ones(clip.rgb.shape[1:3], bool)
    for other in (0, 2):
        seen &= landing(clip, source, frames[1], frames[other], other)[1]
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


def test_no_place_is_taken_twice():
    """Twice as large here as there: one in four has it. As large as there: all have."""
    row, column = np.mgrid[:8, :12]
    own, halved = row * 12 + column, row // 2 * 12 + column // 2
    all_of_it = np.ones(row.shape, bool)
    assert once(own, all_of_it).all()
    kept = once(halved, all_of_it)
    assert kept.reshape(4, 2, 6, 2).sum(axis=(1, 3)).tolist() == np.ones((4, 6)).tolist()
    some = np.random.default_rng(0).random(row.shape) < 0.4
    kept = once(halved, some)
    assert not (kept & ~some).any()
    np.testing.assert_array_equal(kept.reshape(4, 2, 6, 2).sum(axis=(1, 3)), some.reshape(4, 2, 6, 2).any(axis=(1, 3)))


def textured():
    """A texture, the same at half its contrast, and the texture under noise; a large body and a small one."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    texture = np.where((x // 12 + y // 12) % 2, 0.7, 0.3)[..., None].repeat(3, axis=-1).astype(np.float32)
    wrong = (0.5 + (texture - 0.5) * 0.5).astype(np.float32)
    noisy = (texture * (1 + NOISE * rng.standard_normal(texture.shape))).astype(np.float32)
    body = np.zeros((96, 96), np.int32)
    body[:20, :20] = 1
    assert (body == 1).sum() < ENOUGH < (body == 0).sum()
    return texture, wrong, noisy, body


def test_what_the_denoiser_took_away_is_given_back_as_far_as_it_follows_the_albedo():
    """Contrast of a texture that was halved, under noise: back, but for its mean. Small bodies and single bright paths: no
    change."""
    texture, wrong, noisy, body = textured()
    given = contrast(wrong, noisy, texture, body)
    assert not given[:20, :20].any()
    back, large = wrong * (1 + given), body == 0
    assert np.abs(back - texture)[large].mean() < 0.03 < 0.09 < np.abs(wrong - texture)[large].mean()
    noisy[60, 60] = 1e6
    assert np.abs(wrong * (1 + contrast(wrong, noisy, texture, body)) - back).max() < 0.02


def test_brightness_that_was_taken_comes_back_but_a_single_bright_path_hardly():
    texture, _, noisy, body = textured()
    dark = 0.9 * texture
    back = restored(dark, noisy, texture, body)
    assert (back / dark).mean() == pytest.approx(1 / 0.9, abs=0.02)
    noisy[60, 60] = 1e6
    assert np.abs(restored(dark, noisy, texture, body) / back - 1).max() < 0.01


def test_of_noise_alone_little_counts_as_smooth_and_of_a_slope_all():
    rng = np.random.default_rng(0)
    light, body = np.ones((256, 256, 3), np.float32), np.zeros((256, 256), np.int32)
    inner = (slice(48, -48), slice(48, -48))
    noise = (0.3 * rng.standard_normal(light.shape)).astype(np.float32)
    plain = 0.3 / np.sqrt(4 * np.pi) / 16
    assert smooth(noise, light, body)[inner].std() < 0.7 * plain, "a Gaussian alone would leave more"
    slope = np.broadcast_to(np.linspace(-0.5, 0.5, 256, dtype=np.float32)[:, None], light.shape)
    np.testing.assert_allclose(smooth(slope + noise, light, body)[inner], slope[inner], atol=0.03)
    two = (np.arange(256) >= 128) + np.zeros((256, 1), np.int32)
    step = np.where(two, 0.5, -0.5)[..., None].repeat(3, axis=-1).astype(np.float32)
    np.testing.assert_allclose(smooth(step, light, two), step, atol=0.02, err_msg="each body by itself")


def test_a_blur_keeps_what_is_constant_and_the_sum():
    image = np.full((32, 48, 2), 3.0, np.float32)
    np.testing.assert_allclose(blurred(image), 3.0, atol=0.01)
    spot = np.zeros((256, 256, 1), np.float32)
    spot[128:132, 128:132] = 1.0
    spread = blurred(spot)[..., 0]
    assert spread.sum() == pytest.approx(1.0, abs=1e-3)
    place = 4 * np.arange(64) + 2 - 130.0
    assert np.sqrt((spread.sum(axis=0) * place**2).sum()) == pytest.approx(16, rel=0.05)
