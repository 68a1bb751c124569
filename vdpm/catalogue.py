"""Data sets by name: `vdpm/readers/<name>.py` is the registration.

A reader has

    DATASET = Dataset(...)                                            the facts (`vdpm.recording`)
    def sequences(root, variant) -> list[str]                         what is there, sorted, without opening much
    def read(root, variant, sequence) -> Recording                    one sequence, converted at the door, named by itself

and turns whatever is missing, truncated or foreign into a `UserError` that names the file (`vdpm.reading` helps).
`sintel` names its first variant, `sintel:clean` another.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

import vdpm.readers
from vdpm.errors import UserError, unknown
from vdpm.recording import Dataset, Recording


def dataset_names() -> list[str]:
    """Names of all readers, sorted."""
    return sorted(file.stem for folder in vdpm.readers.__path__ for file in Path(folder).glob("[!_]*.py"))


def find(name: str) -> tuple[Dataset, str]:
    """The facts of a data set named as `name` or `name:variant`, and the variant that is meant."""
    reader, variant = _reader(name)
    return reader.DATASET, variant


def locate(name: str, root: Path) -> Path:
    """The folder of a data set below a data root: the one of its name if there is one, else the root itself."""
    own = root / name.partition(":")[0]
    folder = own if own.is_dir() else root
    if not folder.is_dir():
        raise UserError(
            f"--data-root {root}: there is no such folder; python -m benchmark.data {name} says what to put"
        )
    return folder


def sequences(name: str, root: Path) -> list[str]:
    """Names of the sequences that are there. Raises `UserError` when there are none."""
    reader, variant = _reader(name)
    found = reader.sequences(locate(name, root), variant)
    if not found:
        raise UserError(
            f"no sequence of {name} below {locate(name, root)}; python -m benchmark.data {name} says what must lie where"
        )
    full = [recording_name(name, sequence) for sequence in found]
    if twice := [sequence for sequence, one in zip(found, full, strict=True) if full.count(one) > 1]:
        raise UserError(f"{name} below {root}: {' and '.join(twice[:2])} would have one name; rename one of them")
    return found


def read(name: str, root: Path, sequence: str) -> Recording:
    """One sequence. Raises `UserError` when there is none of that name or its files are not what they should be."""
    reader, variant = _reader(name)
    folder = locate(name, root)
    if sequence not in (there := reader.sequences(folder, variant)):
        raise unknown(f"sequence of {name}", sequence, there, f"below {folder}")
    return _consistent(replace(reader.read(folder, variant, sequence), name=recording_name(name, sequence)))


def recording_name(name: str, sequence: str) -> str:
    """dataset/variant/sequence, each of letters, digits, - and _ alone."""
    parts = (name.partition(":")[0], find(name)[1], sequence)
    return "/".join(re.sub(r"[^A-Za-z0-9_-]", "_", part) for part in parts)


def load(name: str, root: Path) -> Iterator[Recording]:
    """All sequences of a data set in order, one in memory at a time."""
    for sequence in sequences(name, root):
        yield read(name, root, sequence)


def _reader(name: str) -> tuple[ModuleType, str]:
    stem, _, variant = name.partition(":")
    if stem not in dataset_names():
        raise unknown("data set", stem, dataset_names(), "add one as vdpm/readers/<name>.py")
    reader = import_module(f"vdpm.readers.{stem}")
    variants = reader.DATASET.variants
    if variant and variant not in variants:
        raise unknown(f"variant of {stem}", variant, list(variants), f"as in {stem}:{next(iter(variants))}")
    return reader, variant or next(iter(variants))


def _consistent(recording: Recording) -> Recording:
    """The same recording. Raises `UserError` when its parts are not of the same frames and pixels."""
    frames = recording.rgb.shape[:3]
    tracks = recording.tracks
    lengths = {
        "intrinsics": None if recording.K is None else len(recording.K),
        "poses": None if recording.world_from_camera is None else len(recording.world_from_camera),
        "depth": None if recording.depth is None else recording.depth.shape,
        "tracks": None if tracks is None else len(tracks.positions),
        "visibility": None if tracks is None else len(tracks.visible),
    }
    for part, there in lengths.items():
        if there is not None and there != (frames if part == "depth" else frames[0]):
            raise UserError(f"{recording.name}: images are {frames} (frames, height, width), but {part}: {there}")
    poses = recording.world_from_camera
    if poses is not None and not np.allclose(poses[:, :3, :3] @ poses[:, :3, :3].swapaxes(1, 2), np.eye(3), atol=1e-3):
        raise UserError(f"{recording.name}: a camera pose is not a rotation and a translation; the file is not poses")
    return recording
