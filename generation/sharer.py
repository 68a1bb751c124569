"""Frames rendered so that they share light: noisy passes of a window of frames, then one clean image."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from scipy.ndimage import uniform_filter

from generation.denoiser import denoise
from generation.edges import composed
from generation.lowpass import Bodies, Image
from generation.passes import ALBEDO, COLOUR, NORMAL, Passes
from generation.restoring import restored
from generation.scene import Scene, surfaces
from generation.sharing import Frame, frame_of, shared, window
from generation.subpixels import shrink
from generation.view import BlenderView
from vdpm.clip import Clip
from vdpm.raycast import triangles_seen

MIRROR = 0.5, 0.25
"""From this metallic share on, and up to this roughness, what a surface shows is not its own light."""

SKY_ROWS = 64
"""Of sub-pixels: at least so many above the first body are denoised with it."""


class Sharer:
    """Images of a scene, each with the light of `reach` frames before and after it."""

    def __init__(self, view: BlenderView, scene: Scene, reach: int, scratch: Path):
        """`view` shows the scene; `scratch` is an existing folder."""
        self.passes, self.reach = Passes(view, scratch), reach
        self.clip, self.shares = fine_clip(scene, view.subpixels), staying(scene)
        self.metals = np.array([body.material.metallic >= MIRROR[0] for body in scene.bodies] + [False])
        self.frames: dict[int, Frame] = {}

    def missing(self, frame: int) -> list[int]:
        """Frames to be rendered first. Those before the window are forgotten."""
        near = window(frame, self.reach, len(self.clip.rgb))
        self.frames = {number: kept for number, kept in self.frames.items() if number in near}
        return [number for number in near if number not in self.frames]

    def render(self, frame: int) -> None:
        """Noise and all."""
        seen = self.passes.render(frame)
        self.frames[frame] = frame_of(self.clip, frame, seen[COLOUR], seen[ALBEDO], seen[NORMAL])

    def finish(self, frame: int) -> UInt8[np.ndarray, "H W 3"]:
        """The image of a frame of whose window none is missing."""
        here = self.frames[frame]
        noisy = shared(self.clip, frame, self.frames, self.shares)
        clean = self._denoised(noisy, here)
        whole = restored(clean, noisy, here.albedo, here.body)
        whole = np.where(self.metals[here.body][..., None], clean, whole)  # what they show is not light times albedo
        return self.passes.seen(shrink(composed(self.clip, frame, here.body, whole), self.passes.view.subpixels))

    def _denoised(self, noisy: Image, here: Frame) -> Image:
        """Bottom up, as Blender does it, which is nearer to the truth by 0.1 dB than top down (generation/bench), and without the
        sky above it all, which has no noise. The albedo of mirrors is that of what they reflect: it has some."""
        mirrors = ~np.append(self.shares, True)[here.body]
        albedo = np.where(mirrors[..., None], evened(here.albedo, mirrors), here.albedo)
        rows, clean = below_the_sky(here.body), noisy.copy()
        clean[rows] = denoise(*(image[rows][::-1] for image in (noisy, albedo, here.normal)))[::-1]
        return clean

    def image(self, frame: int) -> UInt8[np.ndarray, "H W 3"]:
        """Render what is missing, and finish."""
        for number in self.missing(frame):
            self.render(number)
        return self.finish(frame)


def fine_clip(scene: Scene, subpixels: int) -> Clip:
    """What the sub-pixels of a scene see, without colours."""
    width, height = (subpixels * size for size in scene.resolution)
    cameras = replace(scene.cameras, K=np.diag([subpixels, subpixels, 1.0]) @ scene.cameras.K)
    triangle = triangles_seen(surfaces(scene), cameras, height, width)
    rgb = np.broadcast_to(np.uint8(0), (*triangle.shape, 3))
    return Clip(name="fine", rgb=rgb, triangle=triangle, cameras=cameras, surfaces=surfaces(scene))


def evened(image: Image, where: Bool[np.ndarray, "H W"]) -> Image:
    """Means of 3 x 3 sub-pixels, of those that count."""
    weight = where[..., None].astype(np.float32)
    size: Any = (3, 3, 1)
    return uniform_filter(image * weight, size) / np.maximum(uniform_filter(weight, size), 1e-4)


def below_the_sky(body: Bodies) -> slice:
    """The rows down from the first that shows a body, and some above. Of few different numbers: a denoiser sets itself up for
    each."""
    shown = np.flatnonzero((body >= 0).any(axis=1))
    first = shown[0] - SKY_ROWS if len(shown) else 0
    return slice(max(0, first // SKY_ROWS * SKY_ROWS), None)


def staying(scene: Scene) -> Bool[np.ndarray, " B"]:
    """Bodies whose light stays with their surface: all but those of glass, and mirrors."""
    metallic, smooth = MIRROR
    looks = [body.material for body in scene.bodies]
    return np.array([m.pattern != "glass" and (m.metallic < metallic or m.roughness > smooth) for m in looks])
