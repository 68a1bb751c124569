"""How exact the truth of a clip is, in numbers: derived maps against rays, labels of visibility against an oracle of their own.

A material point is carried to another frame by `vdpm.derive`; a ray is cast there through the pixel where it is said to
land; what the ray meets is carried back. Both ways use meshes and poses, but only the ray knows what is in front.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32
from scipy.ndimage import maximum_filter, minimum_filter

from vdpm import derive
from vdpm.clip import Clip, Seen
from vdpm.geometry import invert, pixel_centres, project, rays, transform
from vdpm.raycast import first_hits, visibility

SAME_SURFACE = 3e-3
"""Share of its depth by which a point may lie behind what a pixel centre sees and still be on the surface that is seen."""


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """From the pixels of a frame to another frame and back again."""

    landed: int
    """Pixels that see something and land inside the other frame."""
    pixels: Float64[np.ndarray, " N"]
    """Of those that are visible there: distance from where they started, there and back."""
    metres: Float64[np.ndarray, " N"]
    """Of the same: distance of the derived point from what the ray meets."""
    distance: Float64[np.ndarray, " N"]
    """From the camera of the other frame, metres."""


@dataclass(frozen=True, kw_only=True)
class Exactness:
    """Of one clip, over two pairs of frames: first to last, middle to first."""

    pixels: float
    """Median over visible pixels."""
    metres: float
    """Likewise."""
    agreement: float
    """Share of the labels of visibility that the oracle confirms, 1 px away from silhouettes."""


def measure(clip: Clip) -> Exactness:
    """All of it."""
    pairs = [(0, len(clip.rgb) - 1), (len(clip.rgb) // 2, 0)]
    cycles = [cycle(clip, *pair) for pair in pairs]
    agreed = np.concatenate([agreement(clip, *pair) for pair in pairs])
    return Exactness(
        pixels=_median([c.pixels for c in cycles]),
        metres=_median([c.metres for c in cycles]),
        agreement=float(agreed.mean()) if agreed.size else float("nan"),
    )


def cycle(clip: Clip, frame: int, time: int) -> Cycle:
    """The pixels of a frame as another one sees them, and back."""
    source = derive.hits(clip, frame)
    points = derive.point_map(clip, source, time, time)
    landed = project(points, clip.cameras.K[time])
    inside = source.seen & _inside(landed)
    there = rays(clip.cameras.K[time], landed[inside])
    hit, length = first_hits(clip.surfaces, clip.cameras, time, there)
    visible = hit == source.triangle[inside[source.seen]]
    met = (length[:, None] * there)[visible]
    start = pixel_centres(*source.seen.shape)[inside][visible]
    back = _carried(clip, hit[visible], met, time, frame)
    return Cycle(
        landed=int(inside.sum()),
        pixels=np.linalg.norm(project(back[:, None], clip.cameras.K[frame])[:, 0] - start, axis=-1),
        metres=np.linalg.norm(met - points[inside][visible], axis=-1),
        distance=np.linalg.norm(met, axis=-1),
    )


def agreement(clip: Clip, frame: int, time: int) -> Bool[np.ndarray, " N"]:
    """Whether visibility says of a point what the triangles stored for the other frame say: no rays in this.

    A point is seen if it lies on the surface that its pixel sees there, hidden if it lies behind. Asked only where that
    pixel and its eight neighbours see one smooth piece of one body.
    """
    source = derive.hits(clip, frame)
    points = derive.point_map(clip, source, time, time)
    landed = project(points, clip.cameras.K[time])
    label = visibility(clip, source, time)
    asked = np.isin(label, (Seen.VISIBLE, Seen.ITSELF, Seen.OTHER))
    column, row = np.floor(landed[asked]).astype(int).T
    smooth = _smooth(clip, time)[row, column]
    surface = _plane_depth(clip, clip.triangle[time][row, column], landed[asked], time)
    on_it = points[asked][:, 2] < surface * (1 + SAME_SURFACE)
    return (on_it == (label[asked] == Seen.VISIBLE))[smooth]


def _inside(pixels: Float64[np.ndarray, "H W 2"]) -> Bool[np.ndarray, "H W"]:
    height, width = pixels.shape[:2]
    return ((pixels >= 0) & (pixels < (width, height))).all(axis=-1)


def _smooth(clip: Clip, time: int) -> Bool[np.ndarray, "H W"]:
    """Pixels around which there is one body, whose depth goes on evenly: twice differenced it hardly changes."""
    body, depth = derive.bodies(clip, time), derive.depth(clip, time)
    one = (maximum_filter(body, 3) == minimum_filter(body, 3)) & (body >= 0)
    bent = np.zeros(depth.shape)
    for axis in (0, 1):
        bent = np.maximum(bent, np.abs(np.roll(depth, 1, axis) - 2 * depth + np.roll(depth, -1, axis)) / depth)
    even = np.nan_to_num(bent, nan=np.inf) < SAME_SURFACE
    return one & (minimum_filter(even.astype(np.uint8), 3) > 0)


def _plane_depth(
    clip: Clip, triangle: Int32[np.ndarray, " N"], pixels: Float64[np.ndarray, "N 2"], time: int
) -> Float64[np.ndarray, " N"]:
    """z at which the rays of pixels meet the planes of triangles; not of the world where there is no triangle."""
    a, b, c = np.moveaxis(_corners_in_view(clip, np.maximum(triangle, 0), time), 1, 0)
    normal = np.cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.einsum("na,na->n", normal, a) / np.einsum("na,na->n", normal, rays(clip.cameras.K[time], pixels))


def _carried(
    clip: Clip, triangle: Int32[np.ndarray, " N"], points: Float64[np.ndarray, "N 3"], time: int, then: int
) -> Float64[np.ndarray, "N 3"]:
    """Points on triangles at a time (in the frame of its camera) at another time (in the frame of that one's)."""
    a, b, c = np.moveaxis(_corners_in_view(clip, triangle, time), 1, 0)
    normal = np.cross(b - a, c - a)
    area = np.einsum("na,na->n", normal, normal)
    second = np.einsum("na,na->n", np.cross(c - a, normal), points - a) / area
    third = np.einsum("na,na->n", np.cross(normal, b - a), points - a) / area
    weights = np.stack([1 - second - third, second, third], axis=-1)
    return np.einsum("nc,nca->na", weights, _corners_in_view(clip, triangle, then))


def _corners_in_view(clip: Clip, triangle: Int32[np.ndarray, " N"], time: int) -> Float64[np.ndarray, "N 3 3"]:
    return transform(invert(clip.cameras.world_from_camera[time]), derive.corners(clip.surfaces, triangle, time))


def _median(parts: list[Float64[np.ndarray, " _"]]) -> float:
    values = np.concatenate(parts)
    return float(np.median(values)) if values.size else float("nan")
