"""Ground truth by Embree: against brute force, and derived maps against casting rays in the other frame."""

import numpy as np
import pytest

from generation import families
from generation.scene import surfaces
from tests.tiny import tiny_clip
from vdpm import derive, exactness
from vdpm.clip import Clip
from vdpm.geometry import pixel_centres, rays
from vdpm.raycast import camera_vertices, first_hits, triangles_seen

FRAMES, HEIGHT, WIDTH = 6, 96, 128
GRAZING = 3e-3
"""Below this sine, a ray in float32 slides along a surface by more than it is away from it: no oracle any more."""


@pytest.fixture(scope="module", params=families.names())
def clip(request, tmp_path_factory) -> Clip:
    """A scene of each family, ray cast but not rendered."""
    scene = families.load(request.param)(
        np.random.default_rng(1), FRAMES, (WIDTH, HEIGHT), tmp_path_factory.mktemp("s")
    )
    return Clip(
        name="scene",
        rgb=np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8),
        triangle=triangles_seen(surfaces(scene), scene.cameras, HEIGHT, WIDTH),
        cameras=scene.cameras,
        surfaces=surfaces(scene),
    )


def cast(clip: Clip, frame: int, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What rays (N, 3) from the camera of a frame hit: the triangle, -1 for none, and the point in the camera frame."""
    triangle, length = first_hits(clip.surfaces, clip.cameras, frame, directions)
    return triangle, length[:, None] * directions


def steepness(clip: Clip, frame: int, triangle: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Sine of the angle at which the ray to each point, in the camera frame, meets its triangle."""
    a, b, c = np.moveaxis(camera_vertices(clip.surfaces, clip.cameras, frame)[clip.surfaces.faces[triangle]], 1, 0)
    normal = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normal, axis=-1) * np.linalg.norm(points, axis=-1)
    return np.abs(np.einsum("na,na->n", normal, points)) / lengths


def test_embree_agrees_with_brute_force():
    """All but pixels whose ray meets an edge to within rounding."""
    clip = tiny_clip()
    seen = triangles_seen(clip.surfaces, clip.cameras, *clip.rgb.shape[1:3])
    assert (seen == clip.triangle).mean() > 0.999


@pytest.mark.parametrize(("source", "time"), [(0, 5), (5, 0), (2, 3)])
def test_derived_points_lie_where_rays_of_the_other_frame_hit(clip, source, time):
    points = derive.point_map(clip, derive.hits(clip, source), time, time)
    seen = clip.triangle[source] >= 0
    triangle, hit = cast(clip, time, points[seen])
    visible = triangle == clip.triangle[source][seen]
    visible &= steepness(clip, time, clip.triangle[source][seen], points[seen]) > GRAZING
    error = np.linalg.norm(hit - points[seen], axis=-1)[visible]
    assert visible.mean() > 0.1
    assert error.max() <= 1e-4 * max(1.0, np.linalg.norm(points[seen][visible], axis=-1).max() / 8.0)
    near = np.linalg.norm(points[seen][visible], axis=-1) < 10.0
    assert near.any() and error[near].max() <= 1e-4


def test_every_family_is_exact(clip):
    """Medians over visible pixels, there and back, and labels of visibility by an oracle that casts no rays."""
    found = exactness.measure(clip)
    assert found.pixels <= 0.01 and found.metres <= 1e-4, found
    assert found.agreement >= 0.999, found


def test_depth_is_the_distance_of_the_hit(clip):
    depth = derive.depth(clip, 0)
    seen = clip.triangle[0] >= 0
    directions = rays(clip.cameras.K[0], pixel_centres(HEIGHT, WIDTH)[seen])
    triangle, hit = cast(clip, 0, directions)
    np.testing.assert_array_equal(triangle, clip.triangle[0][seen])
    np.testing.assert_allclose(hit[:, 2], depth[seen], rtol=2e-5)


def test_weights_lie_inside_the_triangle(clip):
    weights = derive.hits(clip, 3).weights
    assert weights.min() > -1e-3 and weights.max() < 1 + 1e-3
