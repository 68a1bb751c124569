"""Who hides whom: against brute force on the tiny clip, and by law on scenes of every family."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter

from generation import families
from generation.scene import surfaces
from tests.tiny import nearest, posed_corners, tiny_clip
from vdpm import derive
from vdpm.clip import Clip
from vdpm.geometry import invert, project, transform
from vdpm.raycast import Seen, triangles_seen, visibility

CLIP = tiny_clip(frames=8, height=48, width=64)


def brute_force(clip: Clip, source: int, time: int) -> np.ndarray:
    """The same labels from Moeller-Trumbore on every ray and triangle, with the box's own motion."""
    seen = derive.hits(clip, source)
    world = derive.points(clip, seen, time)[seen.seen]
    pose = clip.cameras.world_from_camera[time]
    in_camera = transform(invert(pose), world)
    u, v = project(in_camera[:, None, :], clip.cameras.K[time])[:, 0].T
    height, width = seen.seen.shape
    triangle, length = nearest(pose[:3, 3], world - pose[:3, 3], posed_corners(clip, time / (len(clip.rgb) - 1)))
    hidden = np.where((triangle < 2) == (seen.triangle < 2), Seen.ITSELF, Seen.OTHER)
    label = np.where(length > 1 - 1e-6, Seen.VISIBLE, hidden)
    label = np.where((u >= 0) & (u < width) & (v >= 0) & (v < height), label, Seen.OUTSIDE)
    image = np.full(seen.seen.shape, int(Seen.NOTHING))
    image[seen.seen] = np.where(in_camera[:, 2] > 0, label, Seen.BEHIND)
    return image


@pytest.mark.parametrize(("source", "time"), [(0, 7), (7, 0), (3, 5), (4, 4)])
def test_labels_agree_with_brute_force_away_from_silhouettes(source, time):
    ours, theirs = visibility(CLIP, derive.hits(CLIP, source), time), brute_force(CLIP, source, time)
    flat = maximum_filter(theirs, 3) == minimum_filter(theirs, 3)
    assert (ours == theirs)[flat].mean() >= 0.999
    assert (ours == theirs).mean() >= 0.99


def test_all_kinds_occur_where_they_must():
    """The box turns by 2 radians and slides: it hides floor, and its own faces."""
    labels = visibility(CLIP, derive.hits(CLIP, 0), 7)
    assert {Seen.NOTHING, Seen.VISIBLE, Seen.OTHER, Seen.ITSELF} <= set(np.unique(labels))


def test_points_behind_and_outside():
    from dataclasses import replace

    from vdpm.geometry import rigid

    turned = CLIP.cameras.world_from_camera.copy()
    turned[7] = turned[7] @ rigid(np.diag([-1.0, 1.0, -1.0]), np.zeros(3))  # about face
    clip = replace(CLIP, cameras=replace(CLIP.cameras, world_from_camera=turned))
    labels = visibility(clip, derive.hits(clip, 0), 7)
    assert set(np.unique(labels)) == {Seen.NOTHING, Seen.BEHIND}
    narrow = CLIP.cameras.K.copy()
    narrow[7, [0, 1], [0, 1]] *= 20
    clip = replace(CLIP, cameras=replace(CLIP.cameras, K=narrow))
    assert (visibility(clip, derive.hits(clip, 0), 7) == Seen.OUTSIDE).mean() > 0.3


@pytest.mark.parametrize("family", families.names())
def test_at_its_own_time_every_point_is_seen(family, tmp_path):
    scene = families.load(family)(np.random.default_rng(2), 4, (64, 48), tmp_path)
    clip = Clip(
        name="scene",
        rgb=np.zeros((4, 48, 64, 3), np.uint8),
        triangle=triangles_seen(surfaces(scene), scene.cameras, 48, 64),
        cameras=scene.cameras,
        surfaces=surfaces(scene),
    )
    source = derive.hits(clip, 1)
    labels = visibility(clip, source, 1)
    np.testing.assert_array_equal(labels == Seen.VISIBLE, source.seen)
    later = visibility(clip, source, 3)
    assert (later == Seen.NOTHING).sum() == (~source.seen).sum()
    assert (later == Seen.VISIBLE).mean() > 0.05
