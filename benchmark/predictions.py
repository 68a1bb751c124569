"""Predictions as files, and what a prediction has to be: the only code that knows how they lie on disk.

One .npz a clip and protocol. `header` is JSON text that says what the arrays are an answer to; "0.points" is the array
`points` of task 0, and an array that a method does not claim is not there.
"""

import io
import json
import zipfile
import zlib
from dataclasses import asdict, dataclass, fields
from math import prod
from pathlib import Path

import numpy as np

from benchmark.archive import read_npz
from vdpm.clip import Prediction, Video
from vdpm.errors import UserError
from vdpm.files import replacing

FORMAT_VERSION = 1
RIGID_TOLERANCE = 1e-3
"""Largest entry of |R^T R - 1| for a camera rotation; single precision stays far below."""
DTYPES = {
    "K": np.float64,
    "world_from_camera": np.float64,
    "depth": np.float32,
    "points": np.float32,
    "visible": np.bool_,
}
SLACK_BYTES = 1 << 20
"""That a file may have beyond its arrays in double precision."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file of predictions was made by and from. A file whose header differs is stale."""

    method: str
    method_version: str
    protocol: str
    protocol_version: str
    clip: str
    fingerprint: str
    weights: str = ""
    """What identifies weights that are named from outside (`benchmark.weights`), or the command of a foreign method."""
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the answers to a clip took, measured in the process that gave them. None = not known."""

    load_seconds: float
    """Imports and weights, once a process."""
    seconds: float
    """All tasks of the clip."""
    frames: int
    """That were shown in them."""
    ram_bytes: int | None
    """Most that the process held."""
    gpu_bytes: int | None
    """Most that torch held on the accelerator; None without one."""
    parameters: int | None
    """Of all torch modules that were loaded."""
    flops: int | None
    """Of the first task, matrix products and convolutions as torch counts them, a multiply-add as two."""
    device: str


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The predictions for all tasks of a clip, and how long the method took for them."""

    predictions: tuple[Prediction, ...]
    seconds: float
    cost: Cost | None = None


def shapes_of(video: Video) -> dict[str, tuple[int, ...]]:
    """What the arrays of an answer have to look like."""
    frames, height, width, _ = video.rgb.shape
    return {
        "K": (frames, 3, 3),
        "world_from_camera": (frames, 4, 4),
        "depth": (frames, height, width),
        "points": (len(video.sources), frames, height, width, 3),
        "visible": (len(video.sources), frames, height, width),
    }


def check(prediction: Prediction, video: Video) -> None:
    """Raise `UserError` unless every claimed array has the right shape, is finite, and cameras are rigid."""
    for name, shape in shapes_of(video).items():
        array = getattr(prediction, name)
        if array is not None:
            _check_array(name, array, shape)
    if prediction.world_from_camera is not None:
        _check_rigid(prediction.world_from_camera)
    if prediction.depth is not None and prediction.depth.size:
        _check_in_front(prediction.depth)


def _check_array(name: str, array: object, shape: tuple[int, ...]) -> None:
    kind = "b" if DTYPES[name] is np.bool_ else "f"
    if not isinstance(array, np.ndarray) or array.dtype.kind != kind:
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise UserError(f"{name} is {found}, not a numpy array of {np.dtype(DTYPES[name])}")
    if array.shape != shape:
        raise UserError(f"{name} has shape {array.shape}, asked for was {shape}")
    with np.errstate(over="ignore"):  # larger than single precision would overflow in a square
        bad = array.size - int(np.isfinite(array.astype(np.float32)).sum())
    if bad:
        raise UserError(f"{name} holds {bad} of {array.size} values that are NaN, infinite or beyond float32")


def _check_in_front(depth: np.ndarray) -> None:
    """Some values behind the camera are a mistake of the method, most of them one of convention."""
    behind = int((depth <= 0).sum())
    if behind > depth.size / 2:
        raise UserError(
            f"depth is not positive at {behind} of {depth.size} pixels: it has to be z in front of the camera "
            "(OpenCV axes, +z forward)"
        )


def _check_rigid(world_from_camera: np.ndarray) -> None:
    rotation = world_from_camera[:, :3, :3]
    off = np.abs(np.swapaxes(rotation, 1, 2) @ rotation - np.eye(3)).max(axis=(1, 2))
    proper = (off < RIGID_TOLERANCE) & (np.linalg.det(rotation) > 0)
    proper &= np.abs(world_from_camera[:, 3] - [0.0, 0.0, 0.0, 1.0]).max(axis=1) < RIGID_TOLERANCE
    if not proper.all():
        frame = int(np.argmin(proper))
        raise UserError(f"world_from_camera of frame {frame} is not a rotation and a translation over (0, 0, 0, 1)")


def write_answers(path: Path, header: Header, answers: Answers) -> None:
    """Write one file, all of it or nothing of it. Raises `UserError` when the folder or disk refuses."""
    arrays = {
        f"{task}.{name}": np.asarray(getattr(prediction, name), dtype)
        for task, prediction in enumerate(answers.predictions)
        for name, dtype in DTYPES.items()
        if getattr(prediction, name) is not None
    }
    facts = {
        **asdict(header),
        "tasks": len(answers.predictions),
        "seconds": answers.seconds,
        "cost": asdict(answers.cost) if answers.cost else None,
        "notes": [prediction.note for prediction in answers.predictions],
    }
    content = io.BytesIO()  # a zip that a full disk cuts off complains once more when it is collected
    np.savez(content, header=np.array(json.dumps(facts)), **arrays)
    with replacing(path) as file:
        file.write(content.getbuffer())


def read_answers(path: Path, header: Header, videos: list[Video]) -> Answers:
    """Read one file and check it as if the method had just answered.

    Raises `UserError` when it is damaged, answers another question, or holds what no method may answer.
    """
    way_out = "predict again with --overwrite, or choose another --out"
    try:
        loaded = read_npz(path, largest_answers(videos))
        facts = json.loads(str(loaded.pop("header")))
        stale = [field.name for field in fields(Header) if facts.get(field.name, "") != getattr(header, field.name)]
        seconds, tasks = float(facts["seconds"]), int(facts["tasks"])
        cost = Cost(**facts["cost"]) if facts.get("cost") else None
        notes = [str(note) for note in facts.get("notes", [])] or [""] * tasks
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"predictions {path} are damaged or not ours ({error}); {way_out}") from error
    if stale or tasks != len(videos):
        what = ", ".join(stale or ["number of tasks"])
        raise UserError(f"predictions {path} are stale, they answer another question ({what}); {way_out}")
    predictions = tuple(
        Prediction(note=notes[task], **{name: loaded.get(f"{task}.{name}") for name in DTYPES}) for task in range(tasks)
    )
    for prediction, video in zip(predictions, videos, strict=True):
        try:
            check(prediction, video)
        except UserError as error:
            raise UserError(f"predictions {path}: {error}; {way_out}") from error
    return Answers(predictions=predictions, seconds=seconds, cost=cost)


def largest_answers(videos: list[Video]) -> int:
    """Bytes that the answers to some videos may unpack to."""
    return SLACK_BYTES + 8 * sum(prod(shape) for video in videos for shape in shapes_of(video).values())
