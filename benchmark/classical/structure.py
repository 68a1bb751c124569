"""Structure from motion of a static world: cameras by pycolmap, depth of every pixel by triangulation along optical flow.

Needs the packages pycolmap and opencv-python-headless (extra `methods`). Correspondences are grid points carried by flow
and not SIFT, which finds too little in small frames (at 128 x 128 it registers all frames of half of the clips). The
focal length stays at its guess: on short paths bundle adjustment runs away with it.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, UInt8

from benchmark.classical.flow import Flows, dis, flows, follow
from vdpm.geometry import invert, pixel_centres, rays

GRID = 16
"""Points along the shorter side of each of three frames, whose paths are the correspondences."""
STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
"""Frames between the two of a pair that is matched."""
FEWEST = 30
"""Correspondences of a pair."""
WINDOW = 12
"""Frames on either side along which a pixel is triangulated."""
PARALLAX = np.radians(1.0)
"""Angle between rays, summed in squares, below which a pixel has no depth."""
PIXELS = 1.5
"""Largest rms distance of a triangulated point from its path."""
FEWEST_SHARE = 0.05
"""Of the pixels of a frame that have to triangulate."""


class Unsolved(Exception):
    """The video has no solution, and why."""


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A static world in the frame of the first camera, at a scale of its own."""

    K: Float64[np.ndarray, "T 3 3"]
    world_from_camera: Float64[np.ndarray, "T 4 4"]
    depth: Float32[np.ndarray, "T H W"]


def solve(rgb: UInt8[np.ndarray, "T H W 3"]) -> Solution:
    """Cameras and depth of all frames. Raises `Unsolved` when a frame cannot be placed or too few pixels triangulate."""
    if len(rgb) < 2:
        raise Unsolved("one frame has no parallax")
    height, width = rgb.shape[1:3]
    focal = float(max(height, width))  # a field of view of 53 degrees along the longer side
    K = np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    flow = flows(rgb, dis())
    poses = cameras(flow, K)
    depth = np.stack([triangulate(flow, K, poses, frame) for frame in range(len(rgb))])
    return Solution(K=np.tile(K, (len(rgb), 1, 1)), world_from_camera=poses, depth=depth)


# Cameras


def cameras(flow: Flows, K: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "T 4 4"]:
    """Poses of all frames in the frame of the first. Raises `Unsolved`."""
    places, seen = _grid_paths(flow)
    if len(places) == 2:
        return _two_views(places[:, seen.all(axis=0)], K, flow.forward.shape[1:3])
    with tempfile.TemporaryDirectory(prefix="sfm-") as folder:
        database = Path(folder) / "database.db"
        _write_database(database, places, seen, K, flow.forward.shape[1:3])
        found = _mapped(database, Path(folder) / "models")
    frames = len(places)
    if len(found) < frames:
        raise Unsolved(f"{len(found)} of {frames} frames could be placed")
    poses = invert(np.stack([found[frame] for frame in range(frames)]))
    return invert(poses[0]) @ poses


def _two_views(
    places: Float64[np.ndarray, "2 N 2"], K: Float64[np.ndarray, "3 3"], size: tuple[int, ...]
) -> Float64[np.ndarray, "2 4 4"]:
    """The second camera from an essential matrix (RANSAC, seeded); the distance between the two is 1."""
    import pycolmap

    if places.shape[1] < FEWEST:
        raise Unsolved(f"only {places.shape[1]} points are seen in both frames")
    height, width = size
    camera = pycolmap.Camera(model="SIMPLE_PINHOLE", width=width, height=height, params=[K[0, 0], K[0, 2], K[1, 2]])
    options = pycolmap.TwoViewGeometryOptions()
    options.compute_relative_pose, options.ransac.max_error, options.ransac.random_seed = True, 1.0, 0
    same = np.repeat(np.arange(places.shape[1], dtype=np.uint32)[:, None], 2, axis=1)
    geometry = pycolmap.estimate_two_view_geometry(camera, places[0], camera, places[1], same, options)
    pose = geometry.cam2_from_cam1
    if pose is None or not np.linalg.norm(pose.translation) > 0:
        raise Unsolved("the two frames have no parallax that tells a translation")
    second = np.concatenate([pose.matrix(), [[0.0, 0.0, 0.0, 1.0]]])
    return np.stack([np.eye(4), invert(second)])


def _grid_paths(flow: Flows) -> tuple[Float64[np.ndarray, "T N 2"], Bool[np.ndarray, "T N"]]:
    """Points of a grid in the first, middle and last frame, followed through the video."""
    frames, (height, width) = len(flow.forward) + 1, flow.forward.shape[1:3]
    step = max(2, min(height, width) // GRID)
    grid = pixel_centres(height, width)[step // 2 :: step, step // 2 :: step].reshape(-1, 2)
    paths = [follow(flow, source, grid) for source in sorted({0, frames // 2, frames - 1})]
    return np.concatenate([path.places for path in paths], axis=1), np.concatenate([p.seen for p in paths], axis=1)


def _write_database(path: Path, places: np.ndarray, seen: np.ndarray, K: np.ndarray, size: tuple[int, ...]) -> None:
    """One camera, an image a frame, a keypoint a path; paths that are seen in both frames of a pair match."""
    import pycolmap

    frames, (height, width) = len(places), size
    database = pycolmap.Database.open(path)
    lens = [K[0, 0], K[0, 2], K[1, 2]]
    camera = pycolmap.Camera(model="SIMPLE_PINHOLE", width=width, height=height, params=lens, camera_id=1)
    database.write_camera(camera)
    rig = pycolmap.Rig(rig_id=1)
    rig.add_ref_sensor(camera.sensor_id)
    database.write_rig(rig)
    for frame in range(frames):
        image = pycolmap.Image(name=f"{frame:04d}", camera_id=1, image_id=frame + 1)
        database.write_image(image, use_image_id=True)
        moment = pycolmap.Frame(frame_id=frame + 1, rig_id=1)
        moment.add_data_id(image.data_id)
        database.write_frame(moment, use_frame_id=True)
        database.write_keypoints(frame + 1, places[frame][seen[frame]].astype(np.float32))
    number = np.cumsum(seen, axis=1) - 1
    for i, j in ((i, i + step) for step in STEPS for i in range(frames - step)):
        both = seen[i] & seen[j]
        if both.sum() >= FEWEST:
            database.write_matches(i + 1, j + 1, np.stack([number[i][both], number[j][both]], -1).astype(np.uint32))
    database.close()


def _mapped(database: Path, out: Path) -> dict[int, Float64[np.ndarray, "4 4"]]:
    """camera_from_world of the frames that could be placed; one thread and fixed seeds, so that runs repeat."""
    import pycolmap

    pycolmap.logging.minloglevel = 3
    pycolmap.set_random_seed(0)
    verifier, two_view = pycolmap.GeometricVerifierOptions(), pycolmap.TwoViewGeometryOptions()
    verifier.num_threads, two_view.ransac.random_seed = 1, 0
    two_view.ransac.max_error, two_view.ransac.max_num_trials = 1.0, 2000
    pycolmap.geometric_verification(database, verifier_options=verifier, two_view_geometry_options=two_view)
    out.mkdir()
    models = pycolmap.incremental_mapping(database, out, out, options=_options())
    if not models:
        return {}
    largest = max(models.values(), key=lambda model: model.num_reg_images())
    placed = [image for image in largest.images.values() if image.has_pose]
    last = np.array([[0.0, 0.0, 0.0, 1.0]])
    return {image.image_id - 1: np.concatenate([image.cam_from_world().matrix(), last]) for image in placed}


def _options():
    """COLMAP's incremental mapper for small frames and short baselines, with the lens fixed."""
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads, options.random_seed = 1, 0
    options.multiple_models, options.min_model_size, options.extract_colors = False, 2, False
    options.ba_refine_focal_length, options.mapper.abs_pose_refine_focal_length = False, False
    options.ba_global_frames_ratio = options.ba_global_points_ratio = 1.4
    options.ba_local_max_refinements, options.ba_global_max_refinements = 1, 2
    mapper = options.mapper
    mapper.random_seed = options.triangulation.random_seed = 0
    mapper.ba_local_num_images, mapper.init_min_num_inliers, mapper.init_min_tri_angle = 4, FEWEST, 1.0
    mapper.init_max_error = mapper.filter_max_reproj_error = 1.0
    mapper.abs_pose_max_error, mapper.filter_min_tri_angle = 2.0, 0.3
    return options


# Depth


def triangulate(
    flow: Flows, K: Float64[np.ndarray, "3 3"], poses: Float64[np.ndarray, "T 4 4"], frame: int
) -> Float32[np.ndarray, "H W"]:
    """z of each pixel of a frame: the point on its ray closest to the rays along its path, in the mean of squares.

    What has no parallax, moves, or comes to lie behind the camera takes the depth of the nearest pixel that has one.
    Raises `Unsolved` when hardly any has.
    """
    from scipy.ndimage import distance_transform_edt

    height, width = flow.forward.shape[1:3]
    z = _on_rays(flow, K, poses, frame).reshape(height, width)
    known = np.isfinite(z)
    if known.mean() < FEWEST_SHARE:
        raise Unsolved(f"only {known.sum()} of {known.size} pixels of frame {frame} have enough parallax")
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    assert nearest is not None
    return z[tuple(nearest)].astype(np.float32)


def _on_rays(flow: Flows, K: np.ndarray, poses: np.ndarray, frame: int) -> Float[np.ndarray, " N"]:
    """z (NaN where there is none) that minimises sum_j |(1 - b_j b_j^T)(c + z d - c_j)|^2 over the seen rays (c_j, b_j)."""
    first, last = max(0, frame - WINDOW), min(len(poses), frame + WINDOW + 1)
    near = Flows(forward=flow.forward[first : last - 1], backward=flow.backward[first : last - 1])
    pixels = pixel_centres(*flow.forward.shape[1:3]).reshape(-1, 2)
    paths = follow(near, frame - first, pixels)
    own = rays(K, pixels) @ poses[frame, :3, :3].T
    parallax, along, constant = (np.zeros(len(pixels)) for _ in range(3))
    count = np.zeros(len(pixels))
    for index, pose in enumerate(poses[first:last]):
        if first + index == frame:
            continue
        ray = rays(K, paths.places[index]) @ pose[:3, :3].T
        ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
        offset = poses[frame, :3, 3] - pose[:3, 3]
        across = own - ray * (own * ray).sum(-1, keepdims=True)
        shift = offset - ray * (ray @ offset)[:, None]
        use = paths.seen[index]
        parallax += use * (across**2).sum(-1)
        along += use * (across * shift).sum(-1)
        constant += use * (shift**2).sum(-1)
        count += use
    with np.errstate(divide="ignore", invalid="ignore"):
        z = -along / parallax
        off = np.sqrt(np.maximum(constant + along * z, 0.0) / count) / z * K[0, 0]
        good = (parallax / (own**2).sum(-1) > PARALLAX**2) & (z > 0) & (off < PIXELS)
    return np.where(good, z, np.nan)


def still_points(solution: Solution, sources: tuple[int, ...]) -> Float32[np.ndarray, "S T H W 3"]:
    """Every pixel of the sources where it is at its own time, at all times, in the frame of the first camera."""
    frames, height, width = solution.depth.shape
    points = np.empty((len(sources), frames, height, width, 3), np.float32)
    pixels = pixel_centres(height, width)
    for number, source in enumerate(sources):
        camera = rays(solution.K[source], pixels) * solution.depth[source][..., None]
        pose = solution.world_from_camera[source]
        points[number] = camera @ pose[:3, :3].T + pose[:3, 3]
    return points
