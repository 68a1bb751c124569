"""What averaging light over neighbouring frames, along true motion, brings without sub-pixels: measured, and not used.

    python -m generation.bench.temporal

Radiance divided by albedo is carried to a frame from its neighbours, where the same point is seen in them, is not at an edge,
and has about the same light there; it is averaged, and multiplied by the frame's own albedo. Once with denoised light, once
before the denoiser. Needs the package pyoidn (extra `bench`), which is Cycles' denoiser.
"""

import importlib
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Bool, Float32, Float64
from scipy.ndimage import map_coordinates, uniform_filter

from generation.bench.measure import quiet
from generation.bench.quality import psnr
from vdpm.clip import Clip, Seen
from vdpm.derive import bodies, hits, point_map
from vdpm.errors import UserError, run_command
from vdpm.geometry import project

DARK = 0.02
"""Added to albedos before anything is divided by them, and to light before logarithms are taken."""
PATCH = 5
"""Pixels across which light is compared."""
COLOUR, ALBEDO, NORMAL = "Combined", "Denoising Albedo", "Denoising Normal"
Image = Float32[np.ndarray, "H W 3"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    resolution: int = 128
    """Width and height of the frames, pixels."""
    length: int = 24
    """Frames of the clip."""
    frames: tuple[int, ...] = (0, 12, 23)
    """Those that are compared."""
    samples: int = 8
    """Samples per pixel."""
    reference: int = 512
    """Samples per pixel of the reference."""
    radius: int = 3
    """Frames before and after that light is taken from."""
    tolerance: float = 0.05
    """Difference of log light, root mean square over a patch, at which a neighbour's weight has dropped to 0.6."""
    index: int = 0
    """Number of the kubric_f clip."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What is known of a frame: noisy colour; albedo and normals that are denoised; denoised colour."""

    colour: Image
    albedo: Image
    normal: Image
    denoised: Image


def averaged(
    clip: Clip, frame: int, light: dict[int, Image], looks: dict[int, Image], tolerance: float
) -> tuple[Image, Float64[np.ndarray, "H W"]]:
    """The light of a frame averaged with that of the other frames in `light`, and how many frames' worth each pixel got.

    Neighbours count as far as they look like the frame, patch by patch, in `looks`.
    """
    source, here = hits(clip, frame), np.log(looks[frame] + DARK)
    total, weight = light[frame].astype(np.float64), np.ones(here.shape[:2])
    for other in light:
        if other == frame:
            continue
        place, same = carried(clip, frame, other, source)
        then = np.log(sampled(looks[other], place, 1) + DARK)
        wrong = np.where(same, ((then - here) ** 2).mean(axis=-1), 0.0)
        mean = uniform_filter(wrong, PATCH) / np.maximum(uniform_filter(same.astype(float), PATCH), 1e-6)
        one = same * np.exp(-mean / (2 * tolerance**2))
        total += one[..., None] * sampled(light[other], np.round(place), 0)
        weight += one
    return (total / weight[..., None]).astype(np.float32), weight


def carried(
    clip: Clip, frame: int, other: int, source: Any
) -> tuple[Float64[np.ndarray, "2 H W"], Bool[np.ndarray, "H W"]]:
    """Row and column, from pixel centres, where the points of a frame are in another, and whether both frames show them and
    no edge is near."""
    from vdpm.raycast import visibility

    place = np.nan_to_num(project(point_map(clip, source, other, other), clip.cameras.K[other])) - 0.5
    height, width = clip.rgb.shape[1:3]
    place = np.stack([np.clip(place[..., 1], 0, height - 1), np.clip(place[..., 0], 0, width - 1)])
    row, column = np.round(place).astype(int)
    body = bodies(clip, frame)
    there = bodies(clip, other)
    same = (visibility(clip, source, other) == Seen.VISIBLE) & (there[row, column] == body)
    return place, same & inside(body) & inside(there)[row, column]


def inside(body: Any) -> Bool[np.ndarray, "H W"]:
    """Pixels whose eight neighbours show the same body."""
    padded = np.pad(body, 1, mode="edge")
    views = [padded[y : y + body.shape[0], x : x + body.shape[1]] for y in range(3) for x in range(3)]
    return np.all([view == body for view in views], axis=0)


def sampled(image: Image, place: Float64[np.ndarray, "2 H W"], order: int) -> Float64[np.ndarray, "H W 3"]:
    """An image at rows and columns; order 0 takes the nearest pixel, so that noise stays that of single pixels."""
    channels = [map_coordinates(image[..., c].astype(np.float64), place, order=order, mode="nearest") for c in range(3)]
    return np.stack(channels, axis=-1)


class Denoiser:
    """Open Image Denoise on one thread."""

    def __init__(self) -> None:
        try:
            self.oidn: Any = importlib.import_module("pyoidn")
        except ImportError as error:
            raise UserError("pyoidn is not installed: pip install '.[bench]'") from error
        self.device = self.oidn.Device(self.oidn.OIDN_DEVICE_TYPE_CPU)
        self.device.set_int("numThreads", 1)
        self.device.commit()

    def __call__(self, **images: Image) -> Image:
        """The first of `color`, `albedo`, `normal` without noise; with colour, the others are its guides and have none."""
        filter = self.oidn.Filter(self.device, "RT")
        held = {name: np.ascontiguousarray(image, np.float32) for name, image in images.items()}
        held["output"] = np.zeros_like(next(iter(held.values())))
        for name, image in held.items():
            filter.set_image(getattr(self.oidn, f"OIDN_IMAGE_{name.upper()}"), image, self.oidn.OIDN_FORMAT_FLOAT3)
        if "color" in images:
            filter.set_bool("hdr", True)
            filter.set_bool("cleanAux", True)
        filter.commit()
        filter.execute()
        return held["output"]

    def frame(self, passes: dict[str, Image]) -> Frame:
        """Guides first, then the colour."""
        albedo, normal = self(albedo=np.minimum(passes[ALBEDO], 1.0)), self(normal=passes[NORMAL])
        clean = self(color=passes[COLOUR], albedo=albedo, normal=normal)
        return Frame(colour=passes[COLOUR], albedo=albedo, normal=normal, denoised=clean)


def compared(
    clip: Clip, frame: int, near: dict[int, Frame], denoise: Denoiser, tolerance: float
) -> dict[str, tuple[Image, float]]:
    """A frame in linear light as it is, and in both forms; with the mean number of frames averaged."""
    own = near[frame]
    clean = {other: one.denoised / (one.albedo + DARK) for other, one in near.items()}
    noisy = {other: one.colour / (one.albedo + DARK) for other, one in near.items()}
    after, frames = averaged(clip, frame, clean, clean, tolerance)
    before, _ = averaged(clip, frame, noisy, clean, tolerance)
    alone = (frames <= 1)[..., None]
    late = np.where(alone, own.denoised, after * (own.albedo + DARK))
    early = np.where(alone, own.colour, before * (own.albedo + DARK))
    early = denoise(color=early, albedo=own.albedo, normal=own.normal)
    count = float(frames.mean())
    return {
        "alone": (own.denoised, 1.0),
        "denoised, then averaged": (late, count),
        "averaged, then denoised": (early, count),
    }


def main(config: Config) -> None:
    """Print the nearness to the reference of each form."""
    from generation import families
    from generation.gate import MOVING_METRES, travelled
    from generation.passes import Passes
    from generation.renderer import open_view
    from generation.scene import surfaces
    from vdpm.raycast import triangles_seen

    denoise, size = Denoiser(), (config.resolution, config.resolution)
    with tempfile.TemporaryDirectory() as folder, quiet():
        rng = np.random.default_rng([0, config.index, zlib.crc32(b"kubric_f"), 0])
        scene = families.load("kubric_f")(rng, config.length, size, Path(folder))
        triangle = triangles_seen(surfaces(scene), scene.cameras, *size)
        rgb = np.zeros((*triangle.shape, 3), np.uint8)
        clip = Clip(name="temporal", rgb=rgb, triangle=triangle, cameras=scene.cameras, surfaces=surfaces(scene))
        few = Passes(open_view(scene, config.samples), Path(folder))
        known: dict[int, Frame] = {}
        images: dict[str, list[np.ndarray]] = {}
        counts: dict[str, list[float]] = {}
        for frame in config.frames:
            near = range(max(0, frame - config.radius), min(config.length, frame + config.radius + 1))
            known |= {other: denoise.frame(few.render(other)) for other in near if other not in known}
            forms = compared(clip, frame, {other: known[other] for other in near}, denoise, config.tolerance)
            for name, (image, count) in forms.items():
                images.setdefault(name, []).append(few.seen(image))
                counts.setdefault(name, []).append(count)
        many = Passes(open_view(scene, config.reference), Path(folder))
        reference = np.stack([many.seen(denoise.frame(many.render(frame)).denoised) for frame in config.frames])
    moves = np.append(travelled(scene) > MOVING_METRES, False)
    moving = moves[np.stack([bodies(clip, frame) for frame in config.frames])]
    print("| | frames averaged | PSNR | moving |\n|---|---|---|---|")
    for name, shown in images.items():
        all_, some = psnr(np.stack(shown), reference, np.ones_like(moving)), psnr(np.stack(shown), reference, moving)
        print(f"| {config.samples} samples, {name} | {np.mean(counts[name]):.1f} | {all_:.2f} | {some:.2f} |")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
