"""Clips of a folder of shards in any order: members are indexed once and read at random, nothing is unpacked.

A folder may hold packed shards, or the `clips/` of a rendering that still runs, one clip a tar; what is there when
training starts is what is trained on.
"""

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from vdpm.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A clip in a tar: where its members lie."""

    name: str
    path: Path
    members: dict[str, tuple[int, int]]
    """Offset and size in bytes by field, as in `vdpm.storage`."""

    stamp: str
    """Changes when the file does."""

    @cached_property
    def rgb(self) -> tuple[str, ...]:
        """The images, in order."""
        return tuple(sorted(field for field in self.members if field.startswith("rgb.")))

    @property
    def frames(self) -> int:
        """Length of the clip."""
        return len(self.rgb)

    def read(self, *fields: str) -> dict[str, bytes]:
        """The content of some members."""
        with self.path.open("rb") as file:
            return {field: _at(file, *self.members[field]) for field in fields}

    def images(self, frames: Sequence[int]) -> UInt8[np.ndarray, "S H W 3"]:
        """Some frames, decoded."""
        fields = [self.rgb[frame] for frame in frames]
        read = self.read(*fields)
        return np.stack([np.asarray(Image.open(io.BytesIO(read[field]))) for field in fields])


def load_arrays(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of an npz member."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)


def _at(file: io.BufferedReader, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def index(folder: Path) -> tuple[Entry, ...]:
    """All clips of a folder, sorted by name. Raises `UserError` when there is none or a tar is damaged."""
    tars = sorted(folder.glob("*.tar")) or sorted((folder / "clips").glob("*.tar"))
    entries = [entry for path in tars for entry in _clips(path)]
    if not entries:
        raise UserError(f"no clips in {folder}: name a folder of shards, as generation/render.py --out writes them")
    return tuple(sorted(entries, key=lambda entry: entry.name))


def _clips(path: Path) -> Iterator[Entry]:
    members: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                name, _, field = member.name.partition(".")
                members.setdefault(name, {})[field] = (member.offset_data, member.size)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"cannot read shard {path}: {error}; delete it and render it again") from error
    facts = path.stat()
    stamp = f"{facts.st_size:x}-{facts.st_mtime_ns:x}"
    yield from (Entry(name=name, path=path, members=found, stamp=stamp) for name, found in members.items())
