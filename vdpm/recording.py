"""What other people's data sets give: a video with as much truth as was measured. Conventions: `vdpm.clip`.

A `Clip` holds meshes, from which all else follows. A recorded scene has none: it has depth, cameras or tracks, each of
them perhaps, on some pixels. A `Recording` holds these in the conventions of `vdpm.clip`, whatever they were on disk, and
`truth` gives the same `Truth` that `vdpm.derive` gives for a clip, unknown (NaN) where nothing was measured.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, UInt8

from vdpm.clip import Seen, Truth
from vdpm.geometry import invert, project, transform, unproject


@dataclass(frozen=True, kw_only=True)
class Tracks:
    """N surface points followed through T frames."""

    positions: Float[np.ndarray, "T N 3"]
    """In the world, metres; NaN where unknown. Hidden points may be known.

    Where the recording knows no cameras: in the camera of each time.
    """
    visible: Bool[np.ndarray, "T N"]
    queries: Float64[np.ndarray, "N 3"] | None = None
    """(u, v, frame) by which the data set names each point; None where it names none."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One sequence of a data set. None = the data set does not know."""

    name: str
    """dataset/variant/sequence, unique (`vdpm.catalogue.recording_name`)."""
    licence: str
    rgb: UInt8[np.ndarray, "T H W 3"]
    K: Float64[np.ndarray, "T 3 3"] | None = None
    world_from_camera: Float64[np.ndarray, "T 4 4"] | None = None
    depth: Float32[np.ndarray, "T H W"] | None = None
    tracks: Tracks | None = None
    still: bool = False
    """Nothing moves but the camera, so that depth alone says where every point is at any time."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What else is worth knowing, as plain JSON: the frames that were chosen, what was left out."""

    @property
    def known(self) -> frozenset[str]:
        """The fields of a `Prediction` that there is truth for."""
        posed = self.K is not None and self.world_from_camera is not None
        followed = posed and (self.tracks is not None or (self.still and self.depth is not None))
        there = {
            "K": self.K is not None,
            "world_from_camera": self.world_from_camera is not None,
            "depth": self.depth is not None,
            "points": followed,
        }
        return frozenset(name for name, known in there.items() if known)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The facts that a reader states about its data set."""

    title: str
    licence: str
    source: str
    """Where to get it."""
    tree: str
    """What must lie below the root."""
    variants: dict[str, str]
    """Readings of the data set, each with one line; the first is meant when none is named."""
    reading: str = "1"
    """Raised when the same files are read as something else."""
    sequences: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """How many sequences a variant has when it is complete, where that is published; several where parts of it are."""
    queries: dict[str, int] = field(default_factory=dict)
    """How many points are seen in the first frames of a variant, over all its sequences, where that is published."""


def truth(recording: Recording, frames: tuple[int, ...], sources: tuple[int, ...]) -> Truth:
    """The answers to a video made of some frames of a recording; `sources` index into `frames`.

    What the recording does not know is NaN (`Recording.known`).
    """
    index = list(frames)
    height, width = recording.rgb.shape[1:3]
    unknown = np.full((len(frames), height, width), np.nan, np.float32)
    maps = [_carried(recording, frames, frames[source]) for source in sources]
    followed = bool(sources) and recording.tracks is not None and "points" in recording.known
    return Truth(
        K=np.full((len(frames), 3, 3), np.nan) if recording.K is None else recording.K[index],
        world_from_camera=(
            np.full((len(frames), 4, 4), np.nan)
            if recording.world_from_camera is None
            else recording.world_from_camera[index]
        ),
        depth=unknown if recording.depth is None else recording.depth[index],
        points=np.array(maps, np.float32).reshape(len(sources), len(frames), height, width, 3),
        sources=sources,
        seen=np.stack([_seen(recording, frames, frames[source]) for source in sources]) if followed else None,
    )


def _carried(recording: Recording, frames: tuple[int, ...], source: int) -> Float32[np.ndarray, "T H W 3"]:
    """Where the points seen by the pixels of a frame are at some times, in the camera of the first of these frames."""
    height, width = recording.rgb.shape[1:3]
    maps = np.full((len(frames), height, width, 3), np.nan, np.float32)
    if "points" not in recording.known:
        return maps
    assert recording.world_from_camera is not None and recording.K is not None
    view_from_world = invert(recording.world_from_camera[frames[0]])
    if recording.tracks is None:
        assert recording.depth is not None
        here = unproject(recording.depth[source].astype(np.float64), recording.K[source])
        maps[:] = transform(view_from_world @ recording.world_from_camera[source], here)
        return maps
    index, rows, columns = pixels_of_tracks(recording, source)
    positions = recording.tracks.positions[list(frames)][:, index].astype(np.float64)
    maps[:, rows, columns] = transform(view_from_world, positions)
    return maps


def _seen(recording: Recording, frames: tuple[int, ...], source: int) -> UInt8[np.ndarray, "T H W"]:
    """`Seen` of the points of a frame at some times. Where a point is unknown, so is why it is hidden: OTHER."""
    assert recording.tracks is not None and recording.world_from_camera is not None and recording.K is not None
    height, width = recording.rgb.shape[1:3]
    answer = np.full((len(frames), height, width), Seen.NOTHING, np.uint8)
    index, rows, columns = pixels_of_tracks(recording, source)
    for image, time in zip(answer, frames, strict=True):
        camera = transform(invert(recording.world_from_camera[time]), recording.tracks.positions[time, index])
        with np.errstate(invalid="ignore"):
            uv = project(camera[None], recording.K[time])[0]
            outside = ((uv < 0) | (uv >= (width, height))).any(axis=-1)
            hidden = np.select([camera[:, 2] <= 0, outside], [Seen.BEHIND, Seen.OUTSIDE], Seen.OTHER)
        image[rows, columns] = np.where(recording.tracks.visible[time, index], Seen.VISIBLE, hidden)
    return answer


def pixels_of_tracks(
    recording: Recording, frame: int, *, all_of_a_pixel: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which tracks the pixels of a frame see: indices of tracks, and the row and column of each.

    A track belongs to the pixel that its projection lies in, as WorldTrack's evaluator has it (it truncates to integers).
    Of several in one pixel the nearest is kept, unless all are asked for. Tracks that are hidden, unknown or outside are left out.
    """
    tracks, height, width = recording.tracks, *recording.rgb.shape[1:3]
    assert tracks is not None and recording.world_from_camera is not None and recording.K is not None
    seen = np.flatnonzero(tracks.visible[frame] & np.isfinite(tracks.positions[frame]).all(axis=-1))
    camera = transform(invert(recording.world_from_camera[frame]), tracks.positions[frame, seen].astype(np.float64))
    uv = np.floor(project(camera[None], recording.K[frame])[0])
    inside = ((uv >= 0) & (uv < (width, height))).all(axis=-1)
    seen, camera, (columns, rows) = seen[inside], camera[inside], uv[inside].astype(np.int64).T
    if all_of_a_pixel:
        return seen, rows, columns
    order = np.argsort(camera[:, 2], kind="stable")
    _, first = np.unique((rows * width + columns)[order], return_index=True)
    kept = order[first]
    return seen[kept], rows[kept], columns[kept]
