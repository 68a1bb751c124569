"""Our own clips as recordings: depth, cameras, and every pixel of the first frame followed.

What a clip knows beyond that, `vdpm.derive` tells; this is for code that takes any data set.
"""

import tarfile
from pathlib import Path

import numpy as np

from vdpm import derive, reading
from vdpm.clip import Clip
from vdpm.errors import UserError
from vdpm.geometry import pixel_centres
from vdpm.recording import Dataset, Recording, Tracks
from vdpm.storage import decode

DATASET = Dataset(
    title="Clips rendered by this project",
    licence="CC0-1.0 or that of the assets, which each clip names",
    source="python generation/render.py --num 1000 --family all",
    tree="""\
<any>.tar ...""",
    variants={"all": "every clip of every shard"},
)


def sequences(root: Path, variant: str) -> list[str]:
    """shard/clip of all shards."""
    found = []
    for shard in sorted(root.glob("*.tar")):
        names = {member.name.partition(".")[0]: None for member in _index(shard)}
        found += [f"{shard.stem}/{name}" for name in names]
    return found


def read(root: Path, variant: str, sequence: str) -> Recording:
    """One clip."""
    stem, _, name = sequence.partition("/")
    shard = root / f"{stem}.tar"
    with reading.expecting(shard, "a shard of clips"), tarfile.open(shard, "r:") as tar:
        files = [(member, tar.extractfile(member)) for member in tar if member.name.startswith(f"{name}.")]
        clip = decode(name, {member.name.partition(".")[2]: file.read() for member, file in files if file})
    frames = range(len(clip.rgb))
    return Recording(
        name=sequence,
        licence="; ".join(sorted({body.get("licence", "?") for body in clip.meta.get("bodies", [])})),
        rgb=clip.rgb,
        K=clip.cameras.K,
        world_from_camera=clip.cameras.world_from_camera,
        depth=np.stack([derive.depth(clip, frame) for frame in frames]).astype(np.float32),
        tracks=_tracks(clip),
        facts={"family": clip.meta.get("family")},
    )


def _index(shard: Path) -> list[tarfile.TarInfo]:
    with reading.expecting(shard, "a shard of clips"), tarfile.open(shard, "r:") as tar:
        return tar.getmembers()


def _tracks(clip: Clip) -> Tracks:
    try:
        from vdpm.raycast import Seen, visibility
    except ImportError as error:
        raise UserError(
            f"who hides whom in a clip is found by ray casting ({error}); pip install '.[raycast]'"
        ) from error
    source, times = derive.hits(clip, 0), range(len(clip.rgb))
    centres = pixel_centres(*source.seen.shape)[source.seen]
    return Tracks(
        positions=derive.tracks(clip, source)[:, source.seen],
        visible=np.stack([visibility(clip, source, time)[source.seen] == Seen.VISIBLE for time in times]),
        queries=np.concatenate([centres, np.zeros((len(centres), 1))], axis=1),
    )
