"""7-Scenes: seven small rooms before a Kinect; nothing moves.

Depth is uint16 millimetres, 65535 and 0 for none, and unknown beyond 10 m. Only depth.proj.png is registered to the colour
image (made by SimpleRecon's preprocessing); the raw depth.png is not, and is refused. Poses are world_from_camera. K is the
evaluators' 525, 525, 320, 240, with the first pixel centre at 0, as they unproject whole numbers.
"""

from pathlib import Path

import numpy as np

from vdpm import reading
from vdpm.errors import UserError
from vdpm.recording import Dataset, Recording

DATASET = Dataset(
    title="7-Scenes",
    licence="Microsoft Research, non-commercial",
    source="https://www.microsoft.com/en-us/research/project/rgb-d-dataset-7-scenes",
    tree="""\
chess/TestSplit.txt
chess/seq-03/frame-000000.color.png   frame-000000.depth.proj.png   frame-000000.pose.txt ...""",
    variants={
        "step200": "the 18 test sequences, every 200th frame (CUT3R, 4RC, Pi3 sparse)",
        "step40": "the 18 test sequences, every 40th frame (Pi3 dense)",
        "step20": "the 18 test sequences, every 20th frame (Spann3R)",
    },
    sequences=dict.fromkeys(("step200", "step40", "step20"), (18,)),
)
K_FX_FY_CX_CY = (525.0, 525.0, 320.0, 240.0)


def sequences(root: Path, variant: str) -> list[str]:
    """scene/seq-NN for all that TestSplit.txt names."""
    found = []
    for split in sorted(root.glob("*/TestSplit.txt")):
        with reading.expecting(split, "lines like sequence3"):
            numbers = [int(line.removeprefix("sequence")) for line in split.read_text(encoding="utf-8").split()]
        found += [f"{split.parent.name}/seq-{number:02d}" for number in sorted(numbers)]
    return found


def read(root: Path, variant: str, sequence: str) -> Recording:
    """The frames of one test sequence that are evaluated."""
    images = reading.listing(root / sequence, "frame-*.color.png")[:: int(variant.removeprefix("step"))]
    stems = [path.with_name(path.name.removesuffix("color.png")) for path in images]
    maps = [_beside(stem, "depth.proj.png") for stem in stems]
    if not maps[0].is_file() and _beside(stems[0], "depth.png").is_file():
        raise UserError(f"{maps[0]} is missing: depth.png is not registered to colour; run SimpleRecon's preprocessing")
    millimetres = np.stack([reading.png16(path) for path in maps])
    return Recording(
        name=sequence,
        licence=DATASET.licence,
        rgb=reading.video(images),
        K=reading.intrinsics(*K_FX_FY_CX_CY, frames=len(images), first_centre=0.0),
        world_from_camera=np.stack([reading.matrix(_beside(stem, "pose.txt")) for stem in stems]),
        depth=reading.positive(np.where(millimetres < 65535, millimetres, 0) / 1000, most=10.0),
        still=True,
    )


def _beside(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)
