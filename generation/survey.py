"""Statistics of clips, gathered one by one into histograms: nothing grows with the number of clips but the list of assets."""

from collections import Counter
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np
from jaxtyping import Float, Int

from vdpm import derive
from vdpm.clip import Clip
from vdpm.objects import objects

EVERY = 4
"""Frames that are measured: each so many."""
MOVING = 0.01
"""Metres that a point moves from a frame to the next to count as dynamic: 12 cm a second."""
TRACKS = 400
"""Points followed for occlusion in a clip, about."""


@dataclass
class Histogram:
    """Counts of values between edges; what lies outside counts with the first and the last."""

    edges: Float[np.ndarray, " E"]
    title: str
    """With the unit."""
    logarithmic: bool = True
    counts: Int[np.ndarray, " E_minus_1"] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.edges) - 1, np.int64)

    def add(self, values: Float[np.ndarray, "*N"]) -> None:
        """Count finite values."""
        known = values[np.isfinite(values)]
        place = np.clip(np.searchsorted(self.edges, known, side="right") - 1, 0, len(self.counts) - 1)
        self.counts += np.bincount(place.reshape(-1), minlength=len(self.counts))
        self.total += float(known.sum())

    @property
    def mean(self) -> float:
        """Of the values themselves; NaN if there are none."""
        return self.total / self.counts.sum() if self.counts.any() else float("nan")

    def quantile(self, share: float) -> float:
        """The middle of the bin that it lies in; NaN if there are no values."""
        if not self.counts.any():
            return float("nan")
        place = int(np.searchsorted(np.cumsum(self.counts), share * self.counts.sum()))
        low, high = self.edges[place : place + 2]
        return float(np.sqrt(low * high) if self.logarithmic else (low + high) / 2)


def _powers(low: float, high: float) -> Float[np.ndarray, " E"]:
    return np.geomspace(low, high, 61)


class Survey:
    """What there is in the clips that were added."""

    def __init__(self) -> None:
        self.clips: Counter[str] = Counter()
        """By family."""
        self.frames = 0
        self.resolutions: Counter[str] = Counter()
        self.assets: dict[str, str] = {}
        """Licence by id, environment maps included."""
        self.uses: Counter[str] = Counter()
        """Bodies by licence."""
        self.versions: Counter[str] = Counter()
        self.conventions: dict[str, str] = {}
        self.histograms = {
            "flow": Histogram(_powers(0.01, 300.0), "optical flow to the next frame, pixels"),
            "depth": Histogram(_powers(0.1, 300.0), "z-depth, metres"),
            "dynamic": Histogram(np.linspace(0.0, 1.0, 51), "share of pixels that move in the world, per frame", False),
            "occlusion": Histogram(np.arange(0.5, 61.5), "length of occlusions of tracks, frames", False),
            "objects": Histogram(np.arange(-0.5, 100.5), "objects seen, per clip", False),
            "invalid": Histogram(np.linspace(0.0, 1.0, 51), "share of pixels without a surface, per frame", False),
        }
        self.has_occlusion = find_spec("embreex") is not None
        """It takes rays, which need the package embreex."""

    def add(self, clip: Clip) -> None:
        """Measure a clip."""
        self.clips[str(clip.meta.get("family", "unknown"))] += 1
        self.frames += len(clip.rgb)
        self.resolutions[f"{clip.rgb.shape[2]} x {clip.rgb.shape[1]}"] += 1
        self.versions[str(clip.meta.get("generator_version", "unknown"))] += 1
        self.conventions = self.conventions or clip.meta.get("conventions", {})
        self._licences(clip)
        seen = [derive.bodies(clip, frame) for frame in range(0, len(clip.rgb), EVERY)]
        shown = np.unique(np.concatenate([body[body >= 0] for body in seen]))
        self.histograms["objects"].add(np.array([float(len(np.unique(objects(clip).of_body[shown])))]))
        for frame in range(0, len(clip.rgb), EVERY):
            self._frame(clip, frame)
        if self.has_occlusion:
            self.histograms["occlusion"].add(occlusions(clip).astype(float))

    def _licences(self, clip: Clip) -> None:
        for body in clip.meta.get("bodies", []):
            licence = str(body.get("licence", "unknown"))
            self.assets[str(body.get("asset", body.get("name", "unknown")))] = licence
            self.uses[licence] += 1
        if light := clip.meta.get("light"):
            self.assets[f"environment/{light.get('hdri')}"] = str(light.get("licence", "unknown"))

    def _frame(self, clip: Clip, frame: int) -> None:
        depth = derive.depth(clip, frame)
        self.histograms["depth"].add(depth)
        self.histograms["invalid"].add(np.array([np.isnan(depth).mean()]))
        if frame + 1 < len(clip.rgb):
            self.histograms["flow"].add(np.linalg.norm(derive.optical_flow(clip, frame, frame + 1), axis=-1))
            moved = np.linalg.norm(derive.scene_flow(clip, frame, frame + 1), axis=-1)
            self.histograms["dynamic"].add(np.array([(moved > MOVING).mean()]))


def occlusions(clip: Clip) -> Int[np.ndarray, " N"]:
    """Lengths, in frames, of the times for which points of the middle frame are hidden while they are in the frame.

    A time that the clip's start or end cuts off counts as far as it is seen.
    """
    from vdpm.raycast import Seen, visibility

    whole = derive.hits(clip, len(clip.rgb) // 2)
    grid = np.zeros(whole.seen.shape, bool)
    step = max(1, round(float(np.sqrt(whole.seen.size / TRACKS))))
    grid[step // 2 :: step, step // 2 :: step] = True
    kept = grid[whole.seen]
    few = derive.Hits(seen=whole.seen & grid, triangle=whole.triangle[kept], weights=whole.weights[kept])
    seen = np.stack([visibility(clip, few, time)[few.seen] for time in range(len(clip.rgb))])
    hidden = np.isin(seen, (Seen.OTHER, Seen.ITSELF)).astype(np.int8)
    edge = np.zeros((1, hidden.shape[1]), np.int8)
    change = np.diff(np.concatenate([edge, hidden, edge]), axis=0).T
    return np.nonzero(change == -1)[1] - np.nonzero(change == 1)[1]
