"""What a user brings: a video file or a folder of frames, as frames of one size on the disk.

Frames are kept in a file that is mapped into memory, so that the length of a video costs none. Frames larger than asked
for are reduced while they are read; grey becomes RGB, what is transparent becomes white, cameras that were held sideways
are turned upright.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from vdpm.errors import UserError
from vdpm.files import replacing
from vdpm.movies import movie_facts, read_movie

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
FOLDER_RATE = 24.0
"""Frames a second that a folder is taken for; only the times of the trajectory depend on it."""
Picture = UInt8[np.ndarray, "H W 3"]


@dataclass(frozen=True, kw_only=True)
class Footage:
    """A video to reconstruct."""

    name: str
    rgb: UInt8[np.ndarray, "T H W 3"]
    """Mapped from a file."""
    seconds: Float64[np.ndarray, " T"]
    original: tuple[int, int]
    """Height and width before frames were reduced."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which frames are taken, and how large."""

    fps: float = 0.0
    """Frames a second at most; 0 takes all."""
    stride: int = 1
    limit: int = 300
    side: int = 1024
    """Longer side of a frame in pixels, at most."""

    def check(self, source: Path) -> None:
        """Raise `UserError` on values that make no sense, and when there is no such source."""
        for name, lowest in (("fps", 0), ("stride", 1), ("limit", 2), ("side", 28)):
            if not getattr(self, name) >= lowest:
                raise UserError(f"--{name} {getattr(self, name)}: must be {lowest} or more")
        if not source.exists():
            raise UserError(f"no video at {source}: give an mp4, mov, gif, or a folder of frames")


def read_footage(source: Path, selection: Selection, scratch: Path) -> Footage:
    """The chosen frames, in `scratch`. Raises `UserError` on anything that is not two or more frames of one size."""
    selection.check(source)
    frames = _folder(source) if source.is_dir() else _movie(source, selection)
    seconds, original, shape = [], (0, 0), (0, 0, 0)
    with replacing(scratch / "rgb.raw") as file:
        for time, picture in _chosen(frames, source, selection):
            reduced = _reduced(picture, selection.side)
            if seconds and original != picture.shape[:2]:
                raise UserError(f"{source}: frame {len(seconds)} is {_size(picture.shape)}, the first {_size(original)}; "
                                "make all frames the same size")  # fmt: skip
            original, shape = (picture.shape[0], picture.shape[1]), reduced.shape
            seconds.append(time)
            file.write(reduced.tobytes())
    if len(seconds) < 2:
        raise UserError(f"{source} has {len(seconds)} frames as chosen: a reconstruction over time needs 2 or more")
    if shape[:2] != original:
        print(f"note: frames of {_size(original)} are reduced to {_size(shape)}", file=sys.stderr)
    rgb = np.memmap(scratch / "rgb.raw", np.uint8, "r", shape=(len(seconds), *shape))
    return Footage(name=source.stem, rgb=rgb, seconds=np.array(seconds, np.float64), original=original)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _chosen(
    frames: Iterator[tuple[float, Picture]], source: Path, selection: Selection
) -> Iterator[tuple[float, Picture]]:
    """Every so many frames, not nearer to the last one than the frame rate says, and never more than the limit."""
    taken, due = 0, -np.inf
    for number, (time, picture) in enumerate(frames):
        if number % selection.stride or (selection.fps and time < due):
            continue
        if taken == selection.limit:
            raise _too_long(source, f"more than {selection.limit}", selection)
        if selection.fps:
            step = 1.0 / selection.fps
            due = (time if due == -np.inf else max(due, time - step)) + step * (1 - 1e-3)
        taken += 1
        yield time, picture


def _too_long(source: Path, count: str, selection: Selection) -> UserError:
    return UserError(f"{source} has {count} frames as chosen, --limit {selection.limit}: take fewer with --fps or "
                     "--stride, cut the video, or raise --limit")  # fmt: skip


def _movie(source: Path, selection: Selection) -> Iterator[tuple[float, Picture]]:
    """Refuses hours of video by its header, before anything is decoded."""
    facts = movie_facts(source)
    count = facts.frames / selection.stride
    if selection.fps and facts.rate:
        count = min(count, facts.frames / facts.rate * selection.fps)
    if count > selection.limit + 1:
        raise _too_long(source, f"about {round(count)}", selection)
    return read_movie(source)


def _folder(source: Path) -> Iterator[tuple[float, Picture]]:
    files = [file for file in source.iterdir() if file.is_file() and not file.name.startswith(".")]
    pictures = sorted((file for file in files if file.suffix.lower() in PICTURES), key=_natural)
    if not pictures:
        raise UserError(
            f"no frames in {source}: it needs pictures ({', '.join(sorted(PICTURES))}), it has {len(files)} files"
        )
    if len(pictures) < len(files):
        print(f"note: {len(files) - len(pictures)} files of {source} are no pictures and left out", file=sys.stderr)
    for number, file in enumerate(pictures):
        yield number / FOLDER_RATE, _picture(file)


def _natural(file: Path) -> list[tuple[bool, int, str]]:
    """frame_2 before frame_10."""
    parts = re.split(r"(\d+)", file.name)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _picture(file: Path) -> Picture:
    try:
        with Image.open(file) as image:
            return np.asarray(_rgb(ImageOps.exif_transpose(image)))
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"cannot read the frame {file} ({str(error).splitlines()[0]}): replace or remove it") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip
        return Image.fromarray((np.asarray(image).astype(np.float64) / 257).clip(0, 255).astype(np.uint8)).convert(
            "RGB"
        )
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def _reduced(picture: Picture, side: int) -> UInt8[np.ndarray, "h w 3"]:
    height, width = picture.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return picture
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0))
