"""The protocols: which frames a method is shown, what it is asked for, and which metrics its answers get.

A change of anything that moves a number raises the version; rows of different versions are never averaged.
"""

from dataclasses import dataclass, replace
from typing import Literal

from benchmark.evaluators.depth import PRESETS
from benchmark.evaluators.end_point import Norm
from benchmark.evaluators.relative_pose import CONVENTIONS
from benchmark.metrics import METRICS
from benchmark.tasks import Task
from vdpm.errors import unknown


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How tasks are cut out of a clip, and what their answers are scored by."""

    name: str
    version: str
    title: str
    description: str
    metrics: tuple[str, ...]
    length: int | None = None
    """Frames of a task; None shows the whole clip."""
    stride: int = 1
    """Frames of the clip from one frame of a task to the next."""
    sources: tuple[int, ...] = ()
    tasks_per_clip: int = 1
    mean: Literal["sample", "pixel"] = "sample"
    """Tasks and clips count alike, or each by the pixels of its score; a metric that is pooled has weights of its own."""
    asks: str = ""
    """The protocol whose questions and answers these are, when they are another's: the method is not asked again."""
    default: bool = True
    """Whether it is run when no protocol is named."""

    @property
    def question(self) -> "Protocol":
        """The protocol under which a method is asked."""
        return PROTOCOLS[self.asks] if self.asks else self

    @property
    def frames_needed(self) -> int:
        """Length of the shortest clip that has a task."""
        return 1 if self.length is None else (self.length - 1) * self.stride + 1

    def tasks(self, clip_length: int) -> list[Task]:
        """The tasks of a clip, their first frames spread evenly from its start to its end; none if it is too short."""
        if clip_length < self.frames_needed:
            return []
        if self.length is None:
            return [Task(frames=tuple(range(clip_length)), sources=self.sources)]
        last = clip_length - self.frames_needed
        starts = sorted({last * i // max(self.tasks_per_clip - 1, 1) for i in range(self.tasks_per_clip)})
        return [Task(frames=tuple(start + self.stride * i for i in range(self.length)), sources=self.sources)
                for start in starts]  # fmt: skip


def _metrics(*prefixes: str) -> tuple[str, ...]:
    """All metrics whose names begin with one of these, in the order of their registry; `epe` variants only if named."""
    return tuple(
        name
        for name in METRICS
        if name.startswith(prefixes) and ("per_map" in name) == any("per_map" in prefix for prefix in prefixes)
    )


def _names(*stems: str, suffix: str = "") -> tuple[str, ...]:
    """Metrics and their twins over moving pixels."""
    return tuple(stem + suffix + twin for stem in stems for twin in ("", "_moving"))


_DISPLACEMENT = ("displacement_error", "displacement_error_pooled")
_PAIR = ("epe_p0_t0", "epe_p0_t1", "epe_p1_t0", "epe_p1_t1")


def _pair(stride: int) -> Protocol:
    return Protocol(
        name=f"vdpm_pair{stride}",
        version="1",
        title=f"Two views, {stride} frames apart",
        description=(
            f"Two views {stride} frames apart and nothing else, at up to four evenly spread places of the clip: where "
            "is every pixel of either view at either time, in the frame of the first camera? End-point error of the "
            "four point maps P0(t0), P0(t1), P1(t0), P1(t1), as in Table 1 of V-DPM. Prediction and truth are each "
            "brought to unit mean norm, jointly over the four maps and over the pixels with valid truth; nothing else "
            "is aligned, so camera error counts. Mean over pixels, then pairs, then clips. Displacement error, on moving "
            "pixels: how far predicted displacements from a pixel's own time are off, as a share of the true ones; the mean "
            "over pairs and clips, and pooled, where both sums are added over all pairs and clips before they are divided."
        ),
        metrics=(*_names(*_PAIR), *_DISPLACEMENT),
        length=2,
        stride=stride,
        sources=(0, 1),
        tasks_per_clip=4,
    )


_OURS = [
    Protocol(
        name="video",
        version="1",
        title="Video: depth and camera",
        description=(
            "The whole clip is shown. Depth: one scale per clip, the exact L1 optimum, then AbsRel and the share of pixels "
            "within 25 %. Camera: Sim(3) alignment of the camera centres (Umeyama), then the rmse of centres (ATE) and "
            "of the relative motion of neighbouring frames (RPE), as evo computes them. On a straight path the "
            "rotation about it is free and changes none of the errors; a camera that stands still gets a blank for ATE "
            "and RPE-t."
        ),
        metrics=("depth_absrel", "depth_delta125", "pose_ate", "pose_rpe_translation", "pose_rpe_rotation"),
    ),
    _pair(2),
    _pair(8),
    Protocol(
        name="vdpm_track10",
        version="1",
        title="Dense tracking over 10 frames",
        description=(
            "Ten frames, two apart, from the start of the clip: where is every pixel of the first frame at each of the "
            "ten times, in the frame of the first camera? End-point error of P0(t0) to P0(t9), as in Table 2 of V-DPM, "
            "normalised as in the two-view protocols, and the displacement error as there, mean over clips and pooled."
        ),
        metrics=(*_names("epe_track"), *_DISPLACEMENT),
        length=10,
        stride=2,
        sources=(0,),
    ),
]


def _reading(base: Protocol, norm: Norm, mean: Literal["sample", "pixel"]) -> Protocol:
    """Another reading of V-DPM's end-point error: the same answers, one choice or both made differently."""
    per_map, suffix = (
        norm == "per_map",
        ("_per_map" if norm == "per_map" else "") + ("_pixel" if mean == "pixel" else ""),
    )
    said = f"{'each map' if per_map else 'all maps jointly'} at unit mean norm, mean over {mean}s"
    errors = tuple(name for name in base.metrics if name.startswith("epe"))
    return replace(
        base,
        name=base.name + suffix,
        version="1",
        title=f"{base.title} ({said})",
        description=f"The answers of {base.name} under another reading of V-DPM's end-point error: {said}.",
        metrics=tuple(_renamed(name) for name in errors) if per_map else errors,
        mean=mean,
        asks=base.name,
        default=False,
    )


def _renamed(metric: str) -> str:
    stem = metric.removesuffix("_moving")
    return f"{stem}_per_map{metric[len(stem) :]}"


def _rescored(base: Protocol, name: str, title: str, description: str, metrics: tuple[str, ...]) -> Protocol:
    """The answers to another protocol under an evaluator of its own."""
    return replace(
        base,
        name=name,
        version="1",
        title=title,
        description=description,
        metrics=metrics,
        asks=base.name,
        default=False,
    )


_VIDEO, _PAIR2, _PAIR8, _TRACK10 = _OURS
_OTHER_READINGS: list[tuple[Norm, Literal["sample", "pixel"]]] = [
    ("joint", "pixel"),
    ("per_map", "sample"),
    ("per_map", "pixel"),
]
_READINGS = [_reading(base, norm, mean) for base in (_PAIR2, _PAIR8, _TRACK10) for norm, mean in _OTHER_READINGS]
_DEPTHS = [
    replace(
        _rescored(
            _VIDEO,
            f"depth_{preset.name}",
            f"Depth as {preset.name}",
            f"Depth of the whole clip as {preset.name} scores it: {preset.summary}."
            + (" The mean over clips is weighted by their valid pixels." if preset.pooled else ""),
            _metrics(f"depth_{preset.name}_"),
        ),
        version=preset.version,
        mean="pixel" if preset.pooled else "sample",
    )
    for preset in PRESETS.values()
]
_CAMERAS = [
    _rescored(
        _VIDEO,
        "pose_monst3r",
        "Camera as monst3r",
        "ATE and RPE exactly as MonST3R, CUT3R, Pi3 and 4RC call evo; a camera that stands still or moves on a line is "
        "refused there, which is a blank here.",
        _metrics("pose_monst3r_"),
    ),
    _rescored(
        _VIDEO,
        "pose_megasam",
        "Camera as megasam",
        "ATE and RPE with the true path divided by the distance of its last to its first camera, as MegaSaM.",
        _metrics("pose_megasam_"),
    ),
    *(
        _rescored(
            _VIDEO,
            f"pose_auc_{convention}",
            f"Relative poses as {convention}",
            "AUC, RRA and RTA at 3, 5, 15 and 30 degrees over all pairs of frames, with relative poses in the "
            f"convention of {convention}; numbers of different conventions cannot be compared.",
            tuple(name for name in METRICS if name.endswith(f"_{convention}")),
        )
        for convention in CONVENTIONS
    ),
]
_MOTIONS = [
    _rescored(
        _VIDEO,
        "reconstruction",
        "Point cloud of the clip",
        "Depth, intrinsics and cameras as one cloud, after a Sim(3) on corresponding pixels and point-to-point ICP: mean "
        "distance to the nearest point either way, agreement of normals, F-score at 5 cm, as Pi3 and 4RC measure static "
        "scenes. Every fourth pixel of every fourth row, true depth below 10 m.",
        _metrics("cloud_"),
    ),
    _rescored(
        _PAIR8,
        "scene_flow",
        "Scene flow, 8 frames apart",
        "P0(t1) - P0(t0) in the frame of the first camera: EPE3D, AccS, AccR and Outliers as HPLFlowNet, after one scale "
        "from the mean norms of all four maps.",
        _metrics("flow_"),
    ),
    _rescored(
        _TRACK10,
        "worldtrack_st4rtrack",
        "Dense tracking as St4RTrack",
        "All pixels of the first frame over ten times in the frame of the first camera, scored as WorldTrack scores its "
        "points: APD within 0.1, 0.3, 0.5 and 1 m and EPE, after one scale or a closed-form Sim(3); moving points are "
        "aligned on their own. Hidden points count.",
        _metrics("world_global_", "world_sim3_"),
    ),
    _rescored(
        _TRACK10,
        "worldtrack_4rc",
        "Dense tracking as 4RC",
        "As worldtrack_st4rtrack after a Sim(3) from RANSAC, whose seed is 0 where 4RC has none.",
        _metrics("world_ransac_"),
    ),
]
_SCALINGS = {
    "median": "one scale, median |g| over median |p| of the entries visible in both",
    "mean": "one scale, mean |g| over mean |p| of the entries visible in both",
    "none": "no scale",
    "median_on_queries": "one scale, from the entries of the query frame",
    "reproduce_2d": "every point brought to its true depth",
    "per_trajectory": "every track scaled by the depth at its query",
    "local_neighborhood": "every track scaled by the depth at its query and counted over its neighbourhood of 5 cm",
}
_TRACKS = [
    _rescored(
        _TRACK10,
        "tapvid3d" if scaling == "median" else f"tapvid3d_{scaling}",
        f"Points as TAPVid-3D, scaling {scaling}",
        "At most 1024 pixels of the first frame on a grid, over ten times, in the camera of each frame, scored as "
        f"TAPVid-3D (tapnet c2cbab81): {said}. APD: share of visible points within 1, 2, 4, 8, 16 pixels at their depth (of an "
        "image whose shorter side has 256), mean over the five; AJ: TP / (visible + FP), with the visibility that the method "
        "claims; OA: share of entries whose visibility is right. Needs points and cameras, AJ and OA visibility too.",
        _metrics(*(f"tapvid3d_{scaling}_{key}" for key in ("apd", "aj", "oa"))),
    )
    for scaling, said in _SCALINGS.items()
]
_SEEN = [
    _rescored(
        _TRACK10,
        "syn4d",
        "Visible points as Syn4D",
        "All pixels of the first frame over ten times in the frame of the first camera, entries that are visible only, as "
        "Syn4D (84d4462d): one scale, median |g| over median |p|, for all and for moving points alike; APD is the mean share "
        "within 0.1, 0.3, 0.5 and 1 m; the score is the mean of APD over all and over moving points.",
        _metrics("syn4d_"),
    ),
    *(
        _rescored(
            base,
            name,
            f"{title} by visibility",
            f"The end-point error of {base.name} over the points that the camera of their time sees, over those that "
            f"something hides, and over those out of its frame or behind it. The normalisation is that of {base.name}.",
            _metrics("seen_"),
        )
        for base, name, title in (
            (_TRACK10, "visibility", "Dense tracking"),
            (_PAIR2, "visibility_pair2", "Two views, 2 frames apart,"),
            (_PAIR8, "visibility_pair8", "Two views, 8 frames apart,"),
        )
    ),
]
_COST = _rescored(
    _VIDEO,
    "cost",
    "What it takes",
    "Seconds of loading and of answering the clip, peak RAM and peak memory of the accelerator, torch parameters, FLOPs of "
    "the first task (with --flops), measured in the process that gave the answers to `video`; the note of a value is the "
    "device.",
    _metrics("cost_"),
)
PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (*_OURS, *_READINGS, *_DEPTHS, *_CAMERAS, *_MOTIONS, *_TRACKS, *_SEEN, _COST)
}


def find_protocols(names: tuple[str, ...]) -> list[Protocol]:
    """The protocols of these names, in the order of the registry; the default ones for no name."""
    for name in names:
        if name not in PROTOCOLS:
            raise unknown("protocol", name, list(PROTOCOLS), "add one to benchmark/protocols.py")
    return [protocol for protocol in PROTOCOLS.values() if (protocol.name in names if names else protocol.default)]
