"""From footage to the file of a reconstruction: windows one after another, each kept as soon as it is there.

What is finished is found again by the same command. Out of memory means windows half as long, down to two frames.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from vdpm.errors import UserError
from vdpm.reconstruction.assemble import assemble
from vdpm.reconstruction.footage import Footage
from vdpm.reconstruction.graph import Link, link, solve
from vdpm.reconstruction.record import NAME
from vdpm.reconstruction.window import (
    SMALLEST,
    Answer,
    Plan,
    Predict,
    is_out_of_memory,
    plan,
    read_answer,
    write_answer,
)

SEED = 0
"""Of the choice of points that windows are aligned by: equal input, equal result."""
BYTES_A_PIXEL = 3 + 4 * (1 + 3 + 1 + 1) * 2
"""On the disk for each pixel of each frame: the file, and its parts while it is being put together."""
BYTES_A_PIXEL_OF_WINDOWS = 4 * (3 + 1 + 1)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What to do: one who answers windows, a name for it, and a folder."""

    predict: Predict
    method: str
    """Names the weights: windows that others answered are not taken for its own."""
    folder: Path
    window: int

    @property
    def scratch(self) -> Path:
        return self.folder / "windows"

    @property
    def result(self) -> Path:
        return self.folder / NAME


def reconstruct(run: Run, footage: Footage, facts: dict[str, Any]) -> Path:
    """Answer all windows, bring them into one world, write the file. Raises `UserError` when even two frames are too many."""
    check_disk(run, footage)
    planned = answer_all(run, footage)
    paths = [_path(run, footage, frames) for frames in planned.all]
    similarities = solve(list(_links(planned, paths)), len(paths))
    facts = {**facts, "method": run.method, "windows": [list(frames) for frames in planned.windows]}
    count = len(planned.windows)
    assemble(
        run.result, footage, planned.windows, similarities[:count], lambda number: read_answer(paths[number]), facts
    )
    shutil.rmtree(run.scratch, ignore_errors=True)
    return run.result


def disk_bytes(run: Run, footage: Footage) -> int:
    """What the work needs at its peak, and leaves."""
    pixels = int(np.prod(footage.rgb.shape[1:3]))
    frames = sum(map(len, plan(len(footage.rgb), run.window).all))
    return pixels * (len(footage.rgb) * BYTES_A_PIXEL + frames * BYTES_A_PIXEL_OF_WINDOWS)


def check_disk(run: Run, footage: Footage) -> None:
    """Raise `UserError` now rather than after an hour of work."""
    run.folder.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(run.folder).free, disk_bytes(run, footage)
    if needed > free:
        raise UserError(f"not enough disk at {run.folder}: {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free; "
                        "free some, choose another --out, or take fewer or smaller frames (--fps, --side)")  # fmt: skip


def answer_all(run: Run, footage: Footage) -> Plan:
    """Answers of all windows on the disk; the plan that they were made by."""
    size = run.window
    while True:
        planned = plan(len(footage.rgb), size)
        try:
            for frames in tqdm(planned.all, unit="window", desc="reconstruct"):
                _answer(run, footage, frames)
            return planned
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            size = _smaller(size, len(footage.rgb), error)


def _smaller(size: int, frames: int, error: Exception) -> int:
    used = min(size, frames)
    if used <= SMALLEST:
        raise UserError(
            f"out of memory with windows of {SMALLEST} frames: use a smaller --side or a larger machine"
        ) from error
    print(f"note: out of memory with windows of {used} frames, trying {used // 2}", file=sys.stderr)
    return max(SMALLEST, used // 2)


def _answer(run: Run, footage: Footage, frames: tuple[int, ...]) -> None:
    path = _path(run, footage, frames)
    if not path.exists():
        write_answer(path, run.predict(np.ascontiguousarray(footage.rgb[list(frames)])))


def _path(run: Run, footage: Footage, frames: tuple[int, ...]) -> Path:
    """Named by all that the answer depends on."""
    digest = hashlib.sha256(json.dumps([run.method, frames, footage.rgb.shape]).encode())
    for frame in frames:
        digest.update(footage.rgb[frame].tobytes())
    return run.scratch / f"{digest.hexdigest()[:24]}.npz"


def _links(planned: Plan, paths: list[Path]) -> Iterator[Link]:
    """Of all pairs of windows that share frames, two of them in memory at a time."""
    rng = np.random.default_rng(SEED)
    for second, frames in enumerate(planned.all):
        partners = [first for first in range(second) if set(planned.all[first]) & set(frames)]
        later: Answer | None = read_answer(paths[second]) if partners else None
        for first in partners:
            assert later is not None
            found = link(rng, (first, second), (planned.all[first], frames), (read_answer(paths[first]), later))
            if found is not None:
                yield found
