"""From what public models write to our conventions: the registry of `benchmark/adapters/`, and what its files share.

An adapter is a file with a docstring (its first line for listings, then how to install and run the model, and where its
conventions are written), and `def read(folder: Path, video: Video) -> Prediction`.
"""

import ast
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Float64

from benchmark.archive import read_npz
from vdpm.clip import Prediction, Video
from vdpm.errors import UserError
from vdpm.geometry import invert, transform, unproject

LARGEST = 1 << 34
"""Bytes that an archive of a model may unpack to."""
_FOLDER = Path(__file__).parent / "adapters"


def adapter_names() -> list[str]:
    """All adapters, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.py") if not path.stem.startswith("_"))


def adapter_line(name: str) -> str:
    """The first line of its docstring."""
    return (ast.get_docstring(ast.parse((_FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or "").partition("\n")[0]


# Files


def arrays(path: Path) -> dict[str, np.ndarray]:
    """An .npz of plain arrays. Raises `ValueError` for anything else."""
    return read_npz(path, LARGEST)


def array(path: Path) -> np.ndarray:
    """A .npy of plain numbers."""
    return np.load(path, allow_pickle=False)


def stacked(folder: Path, pattern: str, video: Video) -> np.ndarray:
    """One .npy a frame, in the order of the names, as one array. Raises `UserError` when frames are missing."""
    files = sorted(folder.glob(pattern))
    if len(files) != len(video.rgb):
        raise UserError(f"{folder} holds {len(files)} files {pattern}, the task has {len(video.rgb)} frames")
    return np.stack([array(file) for file in files])


# Cameras


def poses(matrix: Float[np.ndarray, "T r 4"]) -> Float64[np.ndarray, "T 4 4"]:
    """Rigid 4 x 4 matrices from 3 x 4 or 4 x 4 ones in single precision: the rotation is brought to the nearest one."""
    full = np.tile(np.eye(4), (len(matrix), 1, 1))
    full[:, :3] = matrix[:, :3]
    u, _, vt = np.linalg.svd(full[:, :3, :3])
    nearest = u @ vt
    if np.abs(nearest - full[:, :3, :3]).max() < 1e-2:  # rounding; anything worse is refused later, by name
        full[:, :3, :3] = nearest
    return full


def from_w2c(matrix: Float[np.ndarray, "T r 4"]) -> Float64[np.ndarray, "T 4 4"]:
    """world_from_camera of camera_from_world."""
    return invert(poses(matrix))


def quaternion_poses(rows: Float[np.ndarray, "T 7"]) -> Float64[np.ndarray, "T 4 4"]:
    """world_from_camera of rows x y z, qw qx qy qz."""
    from scipy.spatial.transform import Rotation

    full = np.tile(np.eye(4), (len(rows), 1, 1))
    full[:, :3, :3] = Rotation.from_quat(rows[:, [4, 5, 6, 3]]).as_matrix()
    full[:, :3, 3] = rows[:, :3]
    return full


def lens(focal: Float[np.ndarray, "T 2"], centre: Float[np.ndarray, "T 2"]) -> Float64[np.ndarray, "T 3 3"]:
    """K of focal lengths and principal points."""
    K = np.tile(np.eye(3), (len(focal), 1, 1))
    K[:, [0, 1], [0, 1]], K[:, :2, 2] = focal, centre
    return K


# Images: where the pixels of the video are in the picture that the model saw


class View:
    """How a loader made its picture from a frame: resized to `resized`, then cut or padded to `picture` about the middle.

    All sizes are (height, width). Maps of the model have the size of the picture.
    """

    def __init__(self, video: Video, picture: tuple[int, ...], resized: tuple[int, ...] | None = None):
        self.size, self.picture = video.rgb.shape[1:3], picture
        self.resized = resized or picture
        self.offset = tuple((inner - outer) // 2 for inner, outer in zip(self.resized, picture, strict=True))

    def back(self, maps: Float[np.ndarray, "*N h w"], trailing: int = 0) -> np.ndarray:
        """Maps (..., h, w, and `trailing` more axes) at the pixels of the video, each centre takes what it falls on.

        Nothing is interpolated, as the mean of two surfaces lies on neither. Pixels that were cut off take the value at
        the border.
        """
        first = maps.ndim - 2 - trailing
        rows, columns = (
            np.clip(np.floor((np.arange(size) + 0.5) * resized / size).astype(int) - offset, 0, picture - 1)
            for size, resized, offset, picture in zip(self.size, self.resized, self.offset, self.picture, strict=True)
        )
        return np.take(np.take(maps, rows, axis=first), columns, axis=first + 1)

    def intrinsics(self, K: Float64[np.ndarray, "T 3 3"], *, centre_at_zero: bool) -> Float64[np.ndarray, "T 3 3"]:
        """K of the picture as K of the video, counted from the corner.

        Models that unproject whole numbers (`centre_at_zero`) put the first pixel centre at 0: half a pixel is added.
        """
        shifted = K.astype(np.float64)
        shifted[:, :2, 2] += np.array(self.offset[::-1]) + (0.5 if centre_at_zero else 0.0)
        scale = np.array(self.size[::-1]) / np.array(self.resized[::-1])
        return np.diag([*scale, 1.0]) @ shifted


# Points


def in_first_camera(
    points: Float[np.ndarray, "*N 3"], world_from_camera: Float64[np.ndarray, "T 4 4"]
) -> Float32[np.ndarray, "*N 3"]:
    """World points in the frame of the first camera."""
    return transform(invert(world_from_camera[0]), points.astype(np.float64)).astype(np.float32)


def still(world_points: Float[np.ndarray, "T H W 3"], poses: Float64[np.ndarray, "T 4 4"], video: Video) -> np.ndarray:
    """points of a model that knows no motion: what a source sees stays where it is."""
    own = in_first_camera(world_points[list(video.sources)], poses)
    return np.repeat(own[:, None], len(video.rgb), axis=1)


def from_depth(video: Video, depth: np.ndarray, K: np.ndarray, pose: np.ndarray) -> Prediction:
    """An answer without motion from z (T, H, W), K and world_from_camera, all of the pixels of the video."""
    world = transform(pose[:, None, None], unproject(depth.astype(np.float64), K))
    return Prediction(K=K, world_from_camera=pose, depth=depth.astype(np.float32), points=still(world, pose, video))


def from_points(video: Video, camera_points: np.ndarray, K: np.ndarray, pose: np.ndarray) -> Prediction:
    """The same from points (T, H, W, 3), each in the camera of its frame."""
    world = transform(pose[:, None, None], camera_points.astype(np.float64))
    depth = camera_points[..., 2].astype(np.float32)
    return Prediction(K=K, world_from_camera=pose, depth=depth, points=still(world, pose, video))


def lens_of(camera_points: Float[np.ndarray, "T h w 3"]) -> Float64[np.ndarray, "T 3 3"]:
    """K, counted from the corner, that projects the points of each pixel onto its centre with the least squares.

    For models that answer points and no lens; whatever origin they count pixels from, their points carry it.
    """
    height, width = camera_points.shape[1:3]
    K = np.tile(np.eye(3), (len(camera_points), 1, 1))
    for number, points in enumerate(camera_points.astype(np.float64)):
        ahead = points[..., 2] > 0
        for axis, centres in ((0, np.arange(width) + 0.5), (1, (np.arange(height) + 0.5)[:, None])):
            slope = (points[..., axis] / np.where(ahead, points[..., 2], 1.0))[ahead]
            wanted = np.broadcast_to(centres, ahead.shape)[ahead]
            if len(slope) < 2:
                raise ValueError(f"frame {number} has no point in front of its camera")
            (K[number, axis, axis], K[number, axis, 2]), *_ = np.linalg.lstsq(
                np.stack([slope, np.ones_like(slope)], axis=-1), wanted, rcond=None
            )
    return K


def resized_long(video: Video, side: int) -> tuple[int, int]:
    """(height, width) after the longer side became `side`, as DUSt3R's loader rounds."""
    height, width = video.rgb.shape[1:3]
    scale = side / max(height, width)
    return round(height * scale), round(width * scale)


def only_first(video: Video) -> bool:
    """Whether the task asks for the pixels of the first frame only, which is all that some models follow."""
    return video.sources == (0,)
