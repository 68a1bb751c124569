"""Suites that the repository holds as lists: recipes, fingerprints and samples instead of clips, which are rendered here.

`benchmark/frozen/NAME/suite.json` names family, seed and size, and the SHA-256 of what each clip decodes to: colours and
everything that truth follows from (metadata may change). The same bytes come out on one kind of CPU. Another instruction set
rounds differently: then the clips have to agree with `samples.npz`, colours and truth at `PLACES` random places of each, or the
suite is refused. `python -m benchmark.make_suite --suite NAME` renders what is absent into data/suites/NAME.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.archive import read_npz
from vdpm import derive
from vdpm.clip import Clip
from vdpm.errors import UserError
from vdpm.files import replacing, sha256
from vdpm.storage import decode, read_members

PLACES = 1024
"""Of a clip that are compared."""
DECIBELS = 45.0
"""Smallest peak signal-to-noise ratio of the colours there."""
RELATIVE = 1e-4
"""Largest error of depth, and of where a point is at the other end of the clip, as a share of its distance."""
SHARE = 0.99
"""Of the places that have to be that close: a pixel on an edge may see another surface."""
CAMERA = 1e-6
"""Largest difference of an entry of K or of a pose."""
_LARGEST = 1 << 28
RENDERED = Path(__file__).resolve().parents[1] / "data" / "suites"
VERIFIED = "verified.json"


def clip_fingerprint(clip: Clip) -> str:
    """SHA-256 of all arrays of a clip: what is seen, and what the truth follows from."""
    arrays = [clip.rgb, clip.triangle, clip.cameras.K, clip.cameras.world_from_camera, *vars(clip.surfaces).values()]
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape} {array.dtype.str}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def samples(clip: Clip, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Colours, depth, and world positions at the other end of the clip, of random pixels of random frames."""
    frames, height, width = clip.triangle.shape
    place = rng.integers((frames, height, width), size=(PLACES, 3)).astype(np.int32)
    return {"place": place, **_at(clip, place), "K": clip.cameras.K, "pose": clip.cameras.world_from_camera}


def _at(clip: Clip, place: np.ndarray) -> dict[str, np.ndarray]:
    depth, moved = np.full(len(place), np.nan, np.float32), np.full((len(place), 3), np.nan, np.float32)
    last = len(clip.rgb) - 1
    for frame in np.unique(place[:, 0]):
        here = place[:, 0] == frame
        rows, columns = place[here, 1], place[here, 2]
        seen = derive.hits(clip, int(frame))
        depth[here] = derive.point_map(clip, seen, int(frame), int(frame))[rows, columns, 2]
        end = 0 if frame > last / 2 else last
        moved[here] = derive.points(clip, seen, end)[rows, columns]
    return {"rgb": clip.rgb[place[:, 0], place[:, 1], place[:, 2]], "depth": depth, "moved": moved}


def difference(clip: Clip, reference: dict[str, np.ndarray]) -> str:
    """How a clip differs from its samples by more than rounding; "" when it does not."""
    for name, array in (("K", clip.cameras.K), ("pose", clip.cameras.world_from_camera)):
        if array.shape != reference[name].shape or np.abs(array - reference[name]).max() > CAMERA:
            return f"its cameras are others ({name})"
    here = _at(clip, reference["place"])
    error = np.square(here["rgb"].astype(np.float64) - reference["rgb"]).mean()
    decibels = 10 * np.log10(255.0**2 / error) if error else np.inf
    if decibels < DECIBELS:
        return f"its colours agree to {decibels:.1f} dB, {DECIBELS:g} are asked for"
    allowed = RELATIVE * np.nan_to_num(reference["depth"], nan=1.0)
    for name, value in (("depth", here["depth"] - reference["depth"]), ("motion", here["moved"] - reference["moved"])):
        size = np.abs(value) if value.ndim == 1 else np.linalg.norm(value, axis=-1)
        unknown = np.isnan(reference["depth"]) & np.isnan(here["depth"])
        close = float((unknown | (size <= allowed)).mean())
        if close < SHARE:
            return f"its {name} agrees at {close:.1%} of the places, {SHARE:.0%} are asked for"
    return ""


def opened(folder: Path, facts: dict[str, Any]) -> tuple[Path, ...]:
    """The shards of a listed suite, rendered here and verified once. Raises `UserError` when they are absent or others."""
    name = facts["name"]
    place = RENDERED / name
    shards = tuple(sorted(place.glob("*.tar")))
    if not shards:
        raise UserError(
            f"suite {name!r} is a list whose clips are not rendered here: python -m benchmark.make_suite --suite {name}"
        )
    stamp = {"version": facts["version"], "shards": {shard.name: sha256(shard) for shard in shards}}
    if not (place / VERIFIED).is_file() or json.loads((place / VERIFIED).read_text(encoding="utf-8")) != stamp:
        verify(folder, facts, shards)
        with replacing(place / VERIFIED) as file:
            file.write(json.dumps(stamp, indent=1).encode() + b"\n")
    return shards


def verify(folder: Path, facts: dict[str, Any], shards: tuple[Path, ...]) -> None:
    """Raise `UserError` unless the shards hold exactly the listed clips."""
    wanted = dict(facts["clips"])
    reference = read_npz(folder / "samples.npz", _LARGEST)
    for shard in shards:
        for clip in (decode(*found) for found in read_members(shard)):
            expected = wanted.pop(clip.name, None)
            reason = "" if expected else "is not in the list"
            if expected and clip_fingerprint(clip) != expected:
                reason = difference(clip, of_clip(reference, clip.name))
            if reason:
                raise UserError(
                    f"suite {facts['name']!r}: clip {clip.name} of {shard} {reason}; scores would not compare. Delete the "
                    "folder and render it again with the code of the commit that froze the suite"
                )
    if wanted:
        raise UserError(
            f"suite {facts['name']!r}: {len(wanted)} clips are missing, first {next(iter(wanted))}: "
            f"python -m benchmark.make_suite --suite {facts['name']}"
        )


def of_clip(reference: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """The samples of one clip; in the archive, names are CLIP.ARRAY."""
    return {key.partition(".")[2]: array for key, array in reference.items() if key.partition(".")[0] == name}
