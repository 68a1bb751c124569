"""Time stamps of TUM and Bonn: lists of files, poses at times, and who belongs to whom."""

from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from vdpm import reading
from vdpm.errors import UserError

MOST = 0.02
"""Seconds by which two stamps may differ and still be one moment, as in the association script of TUM."""


def time_of(path: Path) -> float:
    """Seconds in the name of a file."""
    with reading.expecting(path, "a file named by its time in seconds, as 1548339830.24052.png"):
        return float(path.stem)


def file_list(path: Path) -> tuple[Float64[np.ndarray, " N"], list[str]]:
    """Times and names of the rows "time name" of rgb.txt or depth.txt."""
    with reading.expecting(path, "rows of a time and a file name"):
        rows = [
            line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip() and line[0] != "#"
        ]
        return np.array([float(time) for time, *_ in rows]), [name for _, name, *_ in rows]


def associate(
    first: Float64[np.ndarray, " N"], second: Float64[np.ndarray, " M"]
) -> tuple[Int64[np.ndarray, " P"], Int64[np.ndarray, " P"]]:
    """Pairs of indices, nearest in time first, each index once, less than `MOST` apart, in order of the first."""
    near = [
        (abs(time - second[j]), i, j)
        for i, time in enumerate(first)
        for j in range(*np.searchsorted(second, (time - MOST, time + MOST)))
        if abs(time - second[j]) < MOST
    ]
    taken: dict[int, int] = {}
    used: set[int] = set()
    for _, i, j in sorted(near):
        if i not in taken and j not in used:
            taken[i] = j
            used.add(j)
    index = np.array(sorted(taken), np.int64)
    return index, np.array([taken[int(i)] for i in index], np.int64)


def poses_at(times: list[float], path: Path) -> Float64[np.ndarray, "N 4 4"]:
    """world_from_camera of the row of groundtruth.txt that is nearest to each time.

    Raises `UserError` when a time has no row within `MOST`.
    """
    rows = reading.table(path, 8)
    order = np.argsort(rows[:, 0], kind="stable")
    after = np.clip(np.searchsorted(rows[order, 0], times), 1, len(rows) - 1)
    before_is_nearer = np.abs(rows[order[after - 1], 0] - times) <= np.abs(rows[order[after], 0] - times)
    nearest = order[np.where(before_is_nearer, after - 1, after)]
    apart = np.abs(rows[nearest, 0] - times)
    if apart.max() >= MOST:
        late = times[int(apart.argmax())]
        raise UserError(f"{path} has no pose within {MOST} s of the image taken at {late}; is it of another sequence?")
    with reading.expecting(path, "rows time tx ty tz qx qy qz qw"):
        return reading.poses_xyzw(rows[nearest, 1:])
