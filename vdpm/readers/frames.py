"""Plain videos and folders of images: no truth, for methods to run on.

A sequence is a video file or a folder of images below the root; images directly in the root are one sequence named by it.
"""

from pathlib import Path

from vdpm import reading
from vdpm.errors import UserError
from vdpm.recording import Dataset, Recording

DATASET = Dataset(
    title="Plain videos and image folders",
    licence="of whoever took them",
    source="anywhere",
    tree="""\
holiday.mp4
walk/0000.png ...""",
    variants={"all": "every video and every folder with images"},
)
VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def sequences(root: Path, variant: str) -> list[str]:
    """Names of videos, folders with images, and `.` when the root has images itself."""
    videos = [path.name for path in root.iterdir() if path.suffix.lower() in VIDEOS]
    folders = [name for name in reading.folders(root) if _images(root / name)]
    return sorted(videos + folders + ["."] * bool(_images(root)))


def read(root: Path, variant: str, sequence: str) -> Recording:
    """One video, whole."""
    path = root / sequence
    if path.is_dir():
        rgb = reading.video(_images(path))
    else:
        rgb = reading.movie(path)
    return Recording(name=sequence, licence=DATASET.licence, rgb=rgb)


def _images(folder: Path) -> list[Path]:
    """Images by name, numbers in names by value where all of them are numbers."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGES]
    numbered = all(path.stem.isdecimal() for path in found)
    if numbered and len({int(path.stem) for path in found}) != len(found):
        raise UserError(f"{folder} has two images of one number, as 7.png and 007.png; which comes first?")
    return sorted(found, key=lambda path: (int(path.stem) if numbered else 0, path.name))
