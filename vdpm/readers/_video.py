"""Frames of video files, by FFmpeg (package av, extra `video`)."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from vdpm import reading

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")


def frames(path: Path, index: list[int] | None = None) -> UInt8[np.ndarray, "T H W 3"]:
    """Some frames of a video in the order of their numbers, or all."""
    import av

    wanted = None if index is None else set(index)
    with reading.expecting(path, f"a video with {'frames' if index is None else max(index) + 1} frames"):
        if not path.is_file():
            raise FileNotFoundError
        with av.open(str(path)) as container:
            found = []
            for number, frame in enumerate(container.decode(video=0)):
                if wanted is None or number in wanted:
                    found.append(frame.to_ndarray(format="rgb24"))
                if index is not None and number == max(index):
                    break
        if not found or (wanted is not None and len(found) != len(wanted)):
            raise ValueError(f"{len(found)} of these frames are there")
        return np.stack(found)
