"""Videos in files: frames in, frames out, by FFmpeg (PyAV)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
from jaxtyping import UInt8

from vdpm.errors import UserError
from vdpm.files import replacing

Picture = UInt8[np.ndarray, "H W 3"]
QUALITY = "20"
"""Constant rate factor of H.264; 0 is lossless, 51 the worst."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a file says of its video before a frame is decoded; 0 is unknown."""

    frames: int
    rate: float


def read_movie(path: Path) -> Iterator[tuple[float, Picture]]:
    """Frames with their time in seconds, upright: phones store how they were held instead of turning the pixels.

    Raises `UserError` when it is no video or breaks off.
    """
    av = _av()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            rate = float(stream.average_rate or 0) or 25.0
            for number, frame in enumerate(container.decode(stream)):
                time = frame.time if frame.time is not None else number / rate
                yield time, _upright(frame.to_ndarray(format="rgb24"), getattr(frame, "rotation", 0))
    except (av.FFmpegError, IndexError, ValueError, OSError) as error:
        raise _unreadable(path, error) from error


def movie_facts(path: Path) -> Facts:
    """From the header alone. Raises `UserError` when it is no video."""
    av = _av()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate or 0)
            seconds = container.duration / av.time_base if container.duration else 0.0
            return Facts(frames=stream.frames or round(seconds * rate), rate=rate)
    except (av.FFmpegError, IndexError, ValueError, OSError) as error:
        raise _unreadable(path, error) from error


def write_movie(path: Path, frames: Iterable[Picture], rate: float) -> None:
    """An H.264 MP4 that every browser plays, atomically. A last row or column of odd sizes is repeated."""
    av = _av()
    with replacing(path) as file, av.open(file, "w", format="mp4") as container:
        stream = None
        for picture in frames:
            even = np.pad(picture, [(0, side % 2) for side in picture.shape[:2]] + [(0, 0)], mode="edge")
            if stream is None:
                stream = container.add_stream(
                    "libx264", rate=Fraction(rate).limit_denominator(1000), options={"crf": QUALITY}
                )
                stream.height, stream.width, stream.pix_fmt = even.shape[0], even.shape[1], "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")))
        if stream is not None:
            container.mux(stream.encode())


def _upright(picture: Picture, rotation: int) -> UInt8[np.ndarray, "H2 W2 3"]:
    """`rotation` is how far to turn counter-clockwise, in degrees."""
    return np.ascontiguousarray(np.rot90(picture, round(rotation / 90)))


def _unreadable(path: Path, error: Exception) -> UserError:
    what = str(error).splitlines()[0] if str(error) else type(error).__name__
    return UserError(f"cannot read a video from {path} ({what}): give an mp4, mov, gif, or a folder of frames")


def _av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise UserError("videos need PyAV: pip install '.[video]'") from error
    return av
