"""Arrays out of .npz files that anyone may have written: nothing is run, nothing leaves the archive, nothing explodes."""

import re
import zipfile
from pathlib import Path

import numpy as np

MEMBER = re.compile(r"[A-Za-z0-9_.-]{1,120}\.npy")
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npz(path: Path, largest: int) -> dict[str, np.ndarray]:
    """All arrays of an archive.

    Sizes are read from the headers before anything is unpacked. Raises `ValueError` for what is no archive of plain
    arrays: a member outside, an object array, more than `largest` bytes in all, a header that promises another size.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        if total > largest:
            raise ValueError(f"it unpacks to {total} bytes, more than the {largest} that the question allows")
        names = [member.filename for member in members]
        strange = [name for name in names if not MEMBER.fullmatch(name) or ".." in name]
        if strange or len(set(names)) < len(names):
            raise ValueError(f"it holds {(strange or names)[0]!r}, which is no array or there twice")
        for member in members:
            _check_header(archive, member)
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _check_header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"{member.filename} is of npy version {version}")
        shape, _, dtype = _HEADERS[version](file)
        begins = file.tell()
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds objects, which only a pickle can carry")
    size = begins + dtype.itemsize * int(np.prod(shape, dtype=object))
    if size != member.file_size:
        raise ValueError(f"{member.filename} has {member.file_size} bytes, its header promises {size}")
