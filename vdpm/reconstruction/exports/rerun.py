"""A recording for Rerun's viewer: reconstruction.rrd."""

import tempfile
from pathlib import Path

import numpy as np

from vdpm.files import replacing
from vdpm.reconstruction.cloud import frame_points, tails
from vdpm.reconstruction.record import Reconstruction

POINTS = 20_000
"""Of a frame."""
TAIL = 8
"""Times that a track reaches back."""


def write(reconstruction: Reconstruction, folder: Path) -> Path:
    import rerun as rr

    path = folder / "reconstruction.rrd"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        recording = rr.RecordingStream("vdpm")
        recording.save(str(Path(scratch) / path.name))
        recording.log("world", rr.ViewCoordinates.RDF, static=True)
        for frame in range(len(reconstruction.rgb)):
            recording.set_time("frame", sequence=frame)
            recording.set_time("video", duration=float(reconstruction.seconds[frame] - reconstruction.seconds[0]))
            _log(recording, reconstruction, frame)
        recording.flush()
        recording.disconnect()
        with replacing(path) as file:
            file.write((Path(scratch) / path.name).read_bytes())
    return path


def _log(recording, reconstruction: Reconstruction, frame: int) -> None:
    """One frame: cloud, camera with its picture and depth, tracks."""
    import rerun as rr

    height, width = reconstruction.rgb.shape[1:3]
    points = frame_points(reconstruction, frame, POINTS)
    pose = reconstruction.world_from_camera[frame]
    recording.log("world/points", rr.Points3D(points.place, colors=points.colour))
    recording.log("world/camera", rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3]))
    lens = rr.Pinhole(image_from_camera=reconstruction.K[frame], resolution=[width, height])
    recording.log("world/camera/image", lens)
    recording.log("world/camera/image/rgb", rr.Image(np.asarray(reconstruction.rgb[frame])).compress(jpeg_quality=85))
    recording.log("world/camera/image/depth", rr.DepthImage(np.asarray(reconstruction.depth[frame])))
    recording.log("world/tracks", rr.LineStrips3D(list(tails(reconstruction, frame, TAIL))))
