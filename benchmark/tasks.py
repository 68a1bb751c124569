"""What a method is shown, and what the answer would be: of rendered clips and of recordings of other data sets alike."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vdpm.clip import Clip, Truth, Video
from vdpm.derive import Hits, hits
from vdpm.derive import truth as derive_truth
from vdpm.errors import UserError
from vdpm.recording import Recording
from vdpm.recording import truth as recorded_truth

Scene = Clip | Recording


@dataclass(frozen=True, kw_only=True)
class Task:
    """One question to a method: it sees these frames of a clip and nothing else."""

    frames: tuple[int, ...]
    sources: tuple[int, ...]
    """Indices into `frames` whose pixels have to be carried to all times."""


def show(scene: Scene, task: Task) -> Video:
    """What a method sees of a task."""
    return Video(rgb=scene.rgb[list(task.frames)], sources=task.sources)


def truth_of(
    scene: Scene,
    task: Task,
    look: Callable[[int], Hits] | None = None,
    *,
    with_depth: bool = True,
    with_seen: bool = False,
) -> Truth:
    """The answers to a task; without depth and without who hides whom where no metric looks at them."""
    if isinstance(scene, Recording):
        return recorded_truth(scene, task.frames, task.sources)
    truth = derive_truth(scene, task.frames, task.sources, look=look, with_depth=with_depth)
    return _with_seen(scene, task, truth, look) if with_seen else truth


def _with_seen(clip: Clip, task: Task, truth: Truth, look: Callable[[int], Hits] | None) -> Truth:
    """The truth with what hides each point. Raises `UserError` where Embree is not installed."""
    try:
        from vdpm.raycast import visibility
    except ImportError as error:
        raise UserError("scores by visibility cast rays: pip install 'embreex==4.4.*' (extra raycast)") from error
    look = look or (lambda frame: hits(clip, frame))
    seen = [[visibility(clip, look(task.frames[source]), time) for time in task.frames] for source in task.sources]
    shape = truth.points.shape[:-1]
    return replace(truth, seen=np.array(seen, np.uint8).reshape(shape))


def known(scene: Scene) -> frozenset[str]:
    """The fields of a prediction that there is truth for."""
    if isinstance(scene, Recording):
        return scene.known
    return frozenset(("K", "world_from_camera", "depth", "points"))


def family(scene: Scene) -> str:
    """Of a clip, or the data set that a recording is from."""
    if isinstance(scene, Recording):
        return scene.name.partition("/")[0]
    return str(scene.meta.get("family", scene.name.partition("-")[0]))


def file_name(scene: Scene) -> str:
    """The name of a scene as that of a file."""
    return scene.name.replace("/", "--")


def fingerprint(recording: Recording) -> str:
    """SHA-256 over all arrays of a recording."""
    arrays = {"rgb": recording.rgb, "K": recording.K, "pose": recording.world_from_camera, "depth": recording.depth}
    if recording.tracks is not None:
        arrays |= {"tracks": recording.tracks.positions, "visible": recording.tracks.visible}
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(f"{name} {None if array is None else (array.shape, array.dtype.str)}\n".encode())
        digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
