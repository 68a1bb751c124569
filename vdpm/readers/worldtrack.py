"""WorldTrack: the mini sets on which St4RTrack and 4RC score dense tracking, in the fields of TAPVid-3D.

The first 64 frames of a file count, and world = the camera of the first. Panoptic Studio's cameras stand still and have no
extrinsics. Where depth_map is there, it is z in metres. Pixels have their corner at 0, as the evaluator truncates them;
only TUM's constants 319.5 and 239.5 have the first centre there.
"""

from pathlib import Path

from vdpm.readers import tapvid3d
from vdpm.recording import Dataset, Recording

DATASET = Dataset(
    title="WorldTrack (St4RTrack)",
    licence="of the sources: Aria Digital Twin, Panoptic Studio, PointOdyssey, Dynamic Replica, TUM RGB-D",
    source="https://github.com/HavenFeng/St4RTrack (worldtrack_release)",
    tree="""\
adt_mini/<video>.npz   pstudio_mini/   po_mini/   ds_mini/   tum/
each with images_jpeg_bytes (T), tracks_XYZ (T,N,3), visibility (T,N), fx_fy_cx_cy (4),
and extrinsics_w2c (T,4,4), depth_map (T,H,W) where there are any""",
    variants={
        "adt_mini": "Aria Digital Twin",
        "pstudio_mini": "Panoptic Studio, cameras that stand still",
        "po_mini": "PointOdyssey, test half",
        "ds_mini": "Dynamic Replica, test half",
        "tum": "TUM-dynamics, for reconstruction",
    },
    queries={"adt_mini": 22187, "pstudio_mini": 8720, "po_mini": 53468, "ds_mini": 52462},
)
FIELDS = ("images_jpeg_bytes", "tracks_XYZ", "visibility", "fx_fy_cx_cy")
MOST_FRAMES = 64


def sequences(root: Path, variant: str) -> list[str]:
    """Names of the files of a set, without their suffix."""
    return sorted(path.stem for path in (root / variant).glob("*.npz"))


def read(root: Path, variant: str, sequence: str) -> Recording:
    """The first 64 frames of one file."""
    return tapvid3d.read_npz(
        root / variant / f"{sequence}.npz",
        name=sequence,
        licence=DATASET.licence,
        fields=FIELDS,
        still_camera=variant == "pstudio_mini",
        first_centre=0.0 if variant == "tum" else 0.5,
        most_frames=MOST_FRAMES,
    )
