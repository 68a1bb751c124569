"""Is the ground truth of a clip true? Checks that need nothing but the clip, each with a number behind it.

What is stored (triangles, meshes, poses, cameras) is cast again with Embree; what is derived (depth, flow, points) is held
against the hits and against the other frames; the images are held against the edges of the bodies.
"""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Bool, Float64

from vdpm import derive
from vdpm.clip import Clip
from vdpm.exactness import cycle
from vdpm.geometry import invert, pixel_centres, project, rays, transform
from vdpm.raycast import first_hits, triangles_seen

MOST_WRONG = 1e-3
"""Share of pixels that may disagree: rays that meet an edge to within rounding."""
MOST_PIXELS = 0.01
MOST_METRES = 1e-4
"""Medians over visible pixels; metres at 8 m, in proportion to the distance."""
MOST_BEHIND = 0.1
"""Share of a frame; the generator asks for less, and a few open models do show their backs."""
LEAST_METRES = 1e-3
BACKGROUND = ("ground", "structure")
"""Roles of what never moves."""


def problems(clip: Clip) -> list[str]:
    """What is wrong with a clip, one line each; empty if nothing is."""
    return [f"{check.__name__}: {problem}" for check in CHECKS for problem in check(clip)]


def rigid_poses(clip: Clip) -> Iterator[str]:
    """Cameras and bodies are turned and moved, nothing else."""
    for name, poses in (("camera", clip.cameras.world_from_camera), ("body", clip.surfaces.world_from_body)):
        rotation = poses[..., :3, :3]
        off = np.abs(np.swapaxes(rotation, -1, -2) @ rotation - np.eye(3)).max()
        if off > 1e-6 or (np.linalg.det(rotation) < 0).any():
            yield f"a {name} pose is not rigid (off by {off:.1e})"


def lenses(clip: Clip) -> Iterator[str]:
    """K is upper triangular with the principal point in the image."""
    K, (height, width) = clip.cameras.K, clip.rgb.shape[1:3]
    lower = np.abs(K[:, [1, 2, 2], [0, 0, 1]]).max()
    inside = (K[:, 0, 2] > 0) & (K[:, 0, 2] < width) & (K[:, 1, 2] > 0) & (K[:, 1, 2] < height)
    if lower > 0 or (K[:, [0, 1], [0, 1]] <= 0).any() or not inside.all():
        yield "K is not upper triangular with positive focal lengths and its principal point in the image"


def triangles(clip: Clip) -> Iterator[str]:
    """Casting the rays again meets the triangles that are stored."""
    again = triangles_seen(clip.surfaces, clip.cameras, *clip.rgb.shape[1:3])
    wrong = float((again != clip.triangle).mean())
    if wrong > MOST_WRONG:
        yield f"{wrong:.2%} of the pixels see another triangle than is stored"


def depths(clip: Clip) -> Iterator[str]:
    """Derived depth is the z of what the ray hits."""
    for frame in _some(clip):
        depth = derive.depth(clip, frame)
        seen = clip.triangle[frame] >= 0
        directions = rays(clip.cameras.K[frame], pixel_centres(*seen.shape)[seen])
        _, length = first_hits(clip.surfaces, clip.cameras, frame, directions)
        error = np.abs(depth[seen] - length * directions[:, 2]) / np.maximum(length, 1e-9)
        if seen.any() and np.quantile(error, 1 - MOST_WRONG) > 1e-4:
            yield f"frame {frame}: depth is {np.median(error):.2%} off the z of the hits"


def flows(clip: Clip) -> Iterator[str]:
    """Optical flow leads to where a ray meets the same material point."""
    for frame in _some(clip)[:-1]:
        time = frame + 1
        landed = pixel_centres(*clip.rgb.shape[1:3]) + derive.optical_flow(clip, frame, time)
        source = derive.hits(clip, frame)
        inside = _inside(landed, source.seen)
        if not inside.any():
            continue
        hit, length = first_hits(clip.surfaces, clip.cameras, time, rays(clip.cameras.K[time], landed[inside]))
        visible = hit == source.triangle[inside[source.seen]]
        if visible.mean() < 0.3:
            yield f"frame {frame}: flow leads {visible.mean():.0%} of the pixels to their own triangle"
            continue
        rays_there = rays(clip.cameras.K[time], landed[inside])
        true = derive.point_map(clip, source, time, time)[inside]
        metres = np.linalg.norm(length[:, None] * rays_there - true, axis=-1)[visible]
        if np.median(metres / np.maximum(np.linalg.norm(true[visible], axis=-1) / 8.0, 1.0)) > MOST_METRES:
            yield f"frame {frame}: derived points are {np.median(metres) * 1e3:.2f} mm off the hits in the next frame"


def cycles(clip: Clip) -> Iterator[str]:
    """What a ray meets in the next frame, where a point is said to land, goes back to the pixel that it came from."""
    for frame in _some(clip)[:-1]:
        off = cycle(clip, frame, frame + 1).pixels
        if len(off) and np.median(off) > MOST_PIXELS:
            yield f"frame {frame}: the way to the next frame and back ends {np.median(off):.3f} px off"


def background(clip: Clip) -> Iterator[str]:
    """Ground and structure are rigid and stay where they are."""
    surfaces = clip.surfaces
    for number, facts in enumerate(clip.meta.get("bodies", ())[: surfaces.world_from_body.shape[1]]):
        if facts.get("role") not in BACKGROUND:
            continue
        moved = np.abs(surfaces.world_from_body[:, number] - surfaces.world_from_body[0, number]).max()
        corners = surfaces.faces[surfaces.face_start[number] : surfaces.face_start[number + 1]]
        if moved > 1e-9 or np.isin(corners, surfaces.deforming).any():
            yield f"{facts.get('name', number)} is background, and moves or bends"


def movement(clip: Clip) -> Iterator[str]:
    """Something that moves is seen, but where nothing moves by the family's law."""
    if clip.meta.get("family") == "still":
        return
    frames = _some(clip)
    for frame, time in zip(frames[:-1], frames[1:], strict=True):
        if np.nanmax(np.linalg.norm(derive.scene_flow(clip, frame, time), axis=-1), initial=0.0) > LEAST_METRES:
            return
    yield "nothing that is seen moves"


def insides(clip: Clip) -> Iterator[str]:
    """The camera is not inside a body: few pixels see a triangle from behind."""
    for frame in _some(clip):
        posed = derive.corners(clip.surfaces, clip.triangle[frame][clip.triangle[frame] >= 0], frame)
        normal = np.cross(posed[:, 1] - posed[:, 0], posed[:, 2] - posed[:, 0])
        behind = np.einsum("na,na->n", normal, posed[:, 0] - clip.cameras.world_from_camera[frame, :3, 3]) > 0
        if len(behind) and behind.mean() > MOST_BEHIND:
            yield f"frame {frame}: {behind.mean():.0%} of what is seen is seen from behind; the camera is inside a body"


def reprojection(clip: Clip) -> Iterator[str]:
    """A point goes back to the pixel it came from."""
    for frame in _some(clip):
        points = derive.points(clip, derive.hits(clip, frame), frame)
        pixels = project(transform(invert(clip.cameras.world_from_camera[frame]), points), clip.cameras.K[frame])
        error = np.linalg.norm(pixels - pixel_centres(*pixels.shape[:2]), axis=-1)
        if np.isfinite(error).any() and np.nanmax(error) > MOST_PIXELS:
            yield f"frame {frame}: points reproject {np.nanmedian(error):.3f} px off"


def bodies(clip: Clip) -> Iterator[str]:
    """The metadata speaks of as many bodies as there are, and no triangle is out of range."""
    count, described = len(clip.surfaces.face_start) - 1, len(clip.meta.get("bodies", ()))
    if described != count or clip.surfaces.world_from_body.shape[1] != count:
        yield f"{count} meshes, {clip.surfaces.world_from_body.shape[1]} paths, {described} described"
    if clip.triangle.max() >= len(clip.surfaces.faces) or clip.triangle.min() < -1:
        yield "a triangle index is out of range"


def exposure(clip: Clip) -> Iterator[str]:
    """No frame is black, burnt or of one colour."""
    for frame, image in enumerate(clip.rgb):
        mean, spread = image.mean(), image.std()
        if not (8 < mean < 247 and spread > 4):
            yield f"frame {frame}: mean {mean:.0f} and spread {spread:.1f} of 255"


def images(clip: Clip) -> Iterator[str]:
    """Images have their edges where bodies end: there, and at their own time, more than a pixel or a frame away.

    Images that are blurred on purpose say nothing of it, nor does what is seen in things of glass or through them.
    """
    if clip.meta.get("motion_blur") or clip.meta.get("depth_of_field"):
        return
    steps = np.stack([_steps(image) for image in clip.rgb])
    edges = np.stack([_edges(derive.bodies(clip, frame)) for frame in range(len(clip.rgb))])
    clear = ~np.stack([_glass(clip, frame) for frame in range(len(clip.rgb))])
    edges &= clear
    if edges.mean() < 1e-3:
        return
    here = float(steps[edges].mean())
    for name, moved in ((name, moved & clear) for name, moved in _displaced(edges).items()):
        if moved.any() and float(steps[moved].mean()) > 1.02 * here:
            yield f"edges of the images fit the bodies better {name} than where they are"


def _glass(clip: Clip, frame: int) -> Bool[np.ndarray, "H W"]:
    """Whether a pixel, or its neighbour right or below, sees a thing of glass."""
    made = [facts.get("material") == "glass" for facts in clip.meta.get("bodies", ())]
    seen = np.isin(derive.bodies(clip, frame), np.flatnonzero(made))
    near = seen.copy()
    near[:, :-1] |= seen[:, 1:]
    near[:-1] |= seen[1:]
    return near


def _displaced(edges: Bool[np.ndarray, "T H W"]) -> dict[str, Bool[np.ndarray, "T H W"]]:
    """Edges moved by two pixels each way and by one frame each way."""
    shifts = {"2 px right": (2, 2), "2 px left": (2, -2), "2 px down": (1, 2), "2 px up": (1, -2)}
    moved = {name: np.roll(edges, by, axis=axis) for name, (axis, by) in shifts.items()}
    later, earlier = np.zeros_like(edges), np.zeros_like(edges)
    later[:-1], earlier[1:] = edges[1:], edges[:-1]
    return {**moved, "a frame later": later, "a frame earlier": earlier}


def _steps(image: np.ndarray) -> Float64[np.ndarray, "H W"]:
    """Largest change of brightness to a neighbour right or below."""
    grey = image.astype(np.float64).mean(axis=-1)
    right, below = np.abs(np.diff(grey, axis=1, append=grey[:, -1:])), np.abs(np.diff(grey, axis=0, append=grey[-1:]))
    return np.maximum(right, below)


def _edges(body: np.ndarray) -> Bool[np.ndarray, "H W"]:
    right, below = np.diff(body, axis=1, append=body[:, -1:]) != 0, np.diff(body, axis=0, append=body[-1:]) != 0
    return right | below


def _some(clip: Clip) -> list[int]:
    """A few frames from first to last."""
    return sorted({0, len(clip.rgb) // 3, 2 * len(clip.rgb) // 3, len(clip.rgb) - 1})


def _inside(pixels: Float64[np.ndarray, "H W 2"], seen: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    height, width = seen.shape
    return seen & ((pixels > 0) & (pixels < (width, height))).all(axis=-1)


CHECKS: tuple[Callable[[Clip], Iterator[str]], ...] = (
    rigid_poses, lenses, bodies, background, triangles, depths, reprojection, flows, cycles, movement, insides, exposure,
    images,
)  # fmt: skip
