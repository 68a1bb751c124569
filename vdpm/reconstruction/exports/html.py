"""A page to look at in any browser, whole in itself: viewer.html."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from vdpm.clip import Cameras
from vdpm.reconstruction.cloud import STILL, good, some_times, tracks_at
from vdpm.reconstruction.record import Reconstruction
from vdpm.viewer.maps import cloud_of_maps
from vdpm.viewer.scene import Cloud, ViewerScene
from vdpm.viewer.write import MAX_BYTES, write_viewer

TIMES = 60
"""A page of a few megabytes has room for these many times with some thousand points each."""
FLIPPED = (0.0, -1.0, 0.0)
"""Up in a world that is an OpenCV camera."""


def write(reconstruction: Reconstruction, folder: Path) -> Path:
    path = folder / "viewer.html"
    write_viewer(path, viewer_scene(reconstruction), max_bytes=MAX_BYTES)
    return path


def viewer_scene(reconstruction: Reconstruction, *, name: str = "reconstruction") -> ViewerScene:
    """The reconstruction at some times, with the tracks that move."""
    times = some_times(reconstruction, TIMES)
    source = str(reconstruction.facts.get("source", ""))
    shown = "" if len(times) == len(reconstruction.rgb) else f", {len(times)} of them shown"
    return ViewerScene(
        title=source or name,
        note=f"{len(reconstruction.rgb)} frames{shown}; the unit of length is the reconstruction's own",
        clouds=(_cloud(reconstruction, name, times),),
        up=FLIPPED,
        frame_rate=max(1.0, reconstruction.frame_rate * len(times) / len(reconstruction.rgb)),
        frames=np.asarray(reconstruction.rgb[times]),
    )


def _cloud(reconstruction: Reconstruction, name: str, times: np.ndarray) -> Cloud:
    keep = np.stack([good(reconstruction, frame) for frame in times.tolist()])
    return cloud_of_maps(
        name,
        np.where(keep[..., None], reconstruction.points[times], np.nan),
        np.asarray(reconstruction.rgb[times]),
        cameras=Cameras(K=reconstruction.K[times], world_from_camera=reconstruction.world_from_camera[times]),
        confidence=np.asarray(reconstruction.confidence[times]),
        tracks=moving_tracks(reconstruction, times).swapaxes(0, 1),
    )


def moving_tracks(reconstruction: Reconstruction, times: np.ndarray) -> np.ndarray:
    """(M, K, 3): tracks that move by more than a share of their distance to the first camera while they are known."""
    tracks = np.asarray(reconstruction.tracks)
    extent = np.linalg.norm(np.ptp(tracks, axis=1), axis=-1)
    moves = extent > STILL * np.linalg.norm(tracks, axis=-1).max(axis=1)
    chosen = replace(reconstruction, tracks=tracks[moves], track_frame=reconstruction.track_frame[moves],
                     track_pixel=reconstruction.track_pixel[moves])  # fmt: skip
    return tracks_at(chosen, times)
