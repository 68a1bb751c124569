"""The published layouts of data sets, written byte for byte from a rendered clip, to read back what is known.

Nothing here is shared with the readers: numbers are packed as the data sets' descriptions say.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.linalg import polar
from scipy.spatial.transform import Rotation

from generation.exports import kitti as kitti_export
from generation.exports import pointodyssey as pointodyssey_export
from generation.exports import tapvid3d as tapvid3d_export
from generation.exports._files import jpeg
from generation.exports._tracks import Followed, follow
from vdpm import derive
from vdpm.clip import Cameras, Clip
from vdpm.geometry import invert, transform
from vdpm.storage import read_shard

MINI = Path(__file__).resolve().parents[1] / "benchmark" / "frozen" / "mini" / "kubric_f-000000.tar"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A clip and what is derived from it."""

    clip: Clip
    depth: np.ndarray
    """(T, H, W), NaN for sky."""
    followed: Followed

    @property
    def world_from_camera(self) -> np.ndarray:
        return self.clip.cameras.world_from_camera

    def fx_fy_cx_cy(self, first_centre: float) -> np.ndarray:
        """Intrinsics of the first frame, the first pixel centre at 0 or 0.5."""
        K = self.clip.cameras.K[0]
        return np.array([K[0, 0], K[1, 1], K[0, 2] + first_centre - 0.5, K[1, 2] + first_centre - 0.5])


def scene(frames: int = 8) -> Scene:
    """The first frames of the first clip of `mini`."""
    clip = shortened(next(iter(read_shard(MINI))), frames)
    depth = np.stack([derive.depth(clip, frame) for frame in range(frames)])
    return Scene(clip=clip, depth=depth, followed=follow(clip, 200, np.random.default_rng(0)))


def shortened(clip: Clip, frames: int) -> Clip:
    """The first frames of a clip, without what a simulator knew of them."""
    surfaces = replace(
        clip.surfaces,
        world_from_body=clip.surfaces.world_from_body[:frames],
        shapes=clip.surfaces.shapes[:frames],
    )
    cameras = Cameras(K=clip.cameras.K[:frames], world_from_camera=clip.cameras.world_from_camera[:frames])
    return replace(
        clip, rgb=clip.rgb[:frames], triangle=clip.triangle[:frames], cameras=cameras, surfaces=surfaces, physics=None
    )


def save(image: np.ndarray, *parts: object) -> Path:
    """An image in a folder that is made."""
    path = Path(*map(str, parts))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def write(text_or_bytes: str | bytes, *parts: object) -> Path:
    path = Path(*map(str, parts))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text_or_bytes.encode() if isinstance(text_or_bytes, str) else text_or_bytes)
    return path


def coded(depth: np.ndarray, per_metre: float) -> np.ndarray:
    """uint16 with 0 for none and for what is too far."""
    values = np.round(np.nan_to_num(depth) * per_metre)
    return np.where(values < 65536, values, 0).astype(np.uint16)


def sintel(root: Path, scene: Scene) -> None:
    """training/{final,clean}/S/frame_0001.png, depth/S/frame_0001.dpt, camdata_left/S/frame_0001.cam."""
    K = scene.clip.cameras.K.copy()
    K[:, :2, 2] -= 0.5
    for t, image in enumerate(scene.clip.rgb):
        name = f"alley_2/frame_{t + 1:04d}"
        for kind in ("final", "clean"):
            save(image, root, "training", kind, f"{name}.png")
        height, width = image.shape[:2]
        depth = np.nan_to_num(scene.depth[t], nan=0.0).astype("<f4").tobytes()
        write(struct.pack("<fii", 202021.25, width, height) + depth, root, "training", "depth", f"{name}.dpt")
        extrinsic = np.linalg.inv(scene.world_from_camera[t])[:3]
        numbers = struct.pack("<9d", *K[t].ravel()) + struct.pack("<12d", *extrinsic.ravel())
        write(struct.pack("<f", 202021.25) + numbers, root, "training", "camdata_left", f"{name}.cam")


def tum_rows(times: np.ndarray, poses: np.ndarray) -> str:
    """time tx ty tz qx qy qz qw."""
    quaternions = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
    rows = np.concatenate([times[:, None], poses[:, :3, 3], quaternions], axis=1)
    return "# ground truth trajectory\n# timestamp tx ty tz qx qy qz qw\n" + "".join(
        " ".join(f"{number:.9f}" for number in row) + "\n" for row in rows
    )


def bonn(root: Path, scene: Scene) -> None:
    """rgbd_bonn_dataset/rgbd_bonn_S/{rgb,depth}/TIME.png and groundtruth.txt at three times the rate of the images.

    The first 30 images, which nobody evaluates, are copies of the first one. Poses are those of the markers, from which the
    page leads to the lens by T_ros T_markers T_ros T_m.
    """
    T_ros = np.array([[-1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    printed = [
        [1.0157, 0.1828, -0.2389, 0.0113],
        [0.0009, -0.8431, -0.6413, -0.0098],
        [-0.3009, 0.6147, -0.8085, 0.0111],
    ]
    T_m = np.vstack([printed, [0.0, 0, 0, 1]])
    T_m[:3, :3] = polar(T_m[:3, :3])[0]
    markers = T_ros @ scene.world_from_camera @ np.linalg.inv(T_m) @ T_ros
    folder = root / "rgbd_bonn_dataset" / "rgbd_bonn_balloon2"
    count = len(scene.clip.rgb)
    times = 1548339830.0 + np.arange(30 + count) / 30
    for i, time in enumerate(times):
        t = max(i - 30, 0)
        save(scene.clip.rgb[t], folder, "rgb", f"{time:.5f}.png")
        save(coded(scene.depth[t], 5000), folder, "depth", f"{time + 0.004:.5f}.png")
    dense, poses = [], []
    for i, time in enumerate(times):
        dense += [time - 0.009, time + 0.001, time + 0.011]
        t = max(i - 30, 0)
        wrong = markers[t].copy()
        wrong[:3, 3] += 0.5  # the rows beside the right one are elsewhere, so that a wrong association shows
        poses += [wrong, markers[t], wrong]
    write(tum_rows(np.array(dense), np.array(poses)), folder, "groundtruth.txt")


def tum(root: Path, scene: Scene) -> None:
    """rgbd_dataset_freiburg3_S/{rgb,depth}, rgb.txt, depth.txt, groundtruth.txt; one image in three is evaluated."""
    folder = root / "rgbd_dataset_freiburg3_walking_xyz"
    lists: dict[str, list[str]] = {"rgb": [], "depth": []}
    times = 1341846313.5 + np.arange(3 * len(scene.clip.rgb)) / 30
    for i, time in enumerate(times):
        t = i // 3
        for kind, image, at in (("rgb", scene.clip.rgb[t], time), ("depth", coded(scene.depth[t], 5000), time + 0.01)):
            save(image, folder, kind, f"{at:.6f}.png")
            lists[kind].append(f"{at:.6f} {kind}/{at:.6f}.png\n")
    for kind, rows in lists.items():
        write("# images\n# file: 'x.bag'\n# timestamp filename\n" + "".join(rows), folder, f"{kind}.txt")
    poses = scene.world_from_camera[np.arange(len(times)) // 3]
    write(tum_rows(times + 0.002, poses), folder, "groundtruth.txt")


def kitti_prepared(root: Path, scene: Scene) -> None:
    """depth_selection/val_selection_cropped/{image_gathered,groundtruth_depth_gathered}/D_02/0000000005.png."""
    for t, image in enumerate(scene.clip.rgb):
        name = f"2011_09_26_drive_0002_sync_02/{t + 5:010d}.png"
        base = root / "depth_selection" / "val_selection_cropped"
        save(image, base, "image_gathered", name)
        save(coded(scene.depth[t], 256), base, "groundtruth_depth_gathered", name)


def kitti_raw(root: Path, scene: Scene) -> None:
    """As it is exported."""
    kitti_export.write(scene.clip, root, np.random.default_rng(0))


def pointodyssey(root: Path, scene: Scene) -> None:
    """As it is exported, moved to the split that is evaluated."""
    pointodyssey_export.write(scene.clip, root, np.random.default_rng(0))
    (root / "train").rename(root / "test")


def tapvid3d(root: Path, scene: Scene) -> None:
    """As it is exported, as a drive."""
    tapvid3d_export.write(scene.clip, root / "drivetrack", np.random.default_rng(0))


def tapvid3d_fields(scene: Scene, positions: np.ndarray, visible: np.ndarray) -> dict[str, np.ndarray]:
    """The fields that TAPVid-3D, WorldTrack and 4RC share."""
    return {
        "images_jpeg_bytes": np.array([jpeg(image) for image in scene.clip.rgb]),
        "tracks_XYZ": positions.astype(np.float32),
        "visibility": visible,
        "fx_fy_cx_cy": scene.fx_fy_cx_cy(0.5),
        "extrinsics_w2c": invert(scene.world_from_camera),
    }


def tapvid3d_adt(root: Path, scene: Scene) -> None:
    """adt/V.npz without extrinsics, which its generator drops."""
    (root / "adt").mkdir()
    fields = tapvid3d_fields(scene, in_camera(scene), scene.followed.visible)
    del fields["extrinsics_w2c"]
    queries = np.concatenate([scene.followed.pixels, scene.followed.frames[:, None]], axis=1)
    np.savez(root / "adt" / "Apartment_release_clean_seq131.npz", queries_xyt=queries, **fields)


def in_camera(scene: Scene) -> np.ndarray:
    """Tracks in the camera of each time, (T, N, 3)."""
    return transform(invert(scene.world_from_camera)[:, None], scene.followed.positions)


WRITERS: dict[str, Callable[[Path, Scene], None]] = {
    "bonn": bonn,
    "kitti": kitti_prepared,
    "kitti:raw": kitti_raw,
    "pointodyssey": pointodyssey,
    "sintel": sintel,
    "sintel:clean": sintel,
    "tapvid3d:adt": tapvid3d_adt,
    "tapvid3d:drivetrack": tapvid3d,
    "tum": tum,
}
