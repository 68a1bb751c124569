"""Settings of Cycles that trade time for quality: each is our configuration with one thing changed."""

from collections.abc import Callable
from typing import Any

STOCK_SAMPLES = 64
"""Of Kubric's MOVi-F worker."""


def _set(**values: Any) -> Callable[[Any], None]:
    """Attributes of `scene.cycles`, or of `scene.render` where it has them."""

    def change(scene: Any) -> None:
        for name, value in values.items():
            setattr(scene.cycles if hasattr(scene.cycles, name) else scene.render, name, value)

    return change


def _coarse(width: int) -> Callable[[Any], None]:
    """Directions to the environment drawn from a map of so many columns, where Blender takes what it deems right."""

    def change(scene: Any) -> None:
        scene.world.cycles.sampling_method, scene.world.cycles.sample_map_resolution = "MANUAL", width

    return change


LEVERS: dict[str, Callable[[Any], None]] = {
    "as we render": _set(),
    "adaptive, noise 0.02": _set(
        use_adaptive_sampling=True, adaptive_threshold=0.02, adaptive_min_samples=8, samples=64
    ),
    "adaptive, noise 0.05": _set(
        use_adaptive_sampling=True, adaptive_threshold=0.05, adaptive_min_samples=8, samples=64
    ),
    "adaptive, noise 0.1": _set(use_adaptive_sampling=True, adaptive_threshold=0.1, adaptive_min_samples=8, samples=64),
    "light tree": _set(use_light_tree=True),
    "no light tree": _set(use_light_tree=False),
    "12 bounces": _set(max_bounces=12, diffuse_bounces=4, glossy_bounces=4),
    "12 bounces, caustics": _set(
        max_bounces=12, diffuse_bounces=4, glossy_bounces=4, caustics_reflective=True, caustics_refractive=True
    ),
    "2 bounces": _set(max_bounces=2, diffuse_bounces=2, glossy_bounces=2),
    "fast GI after 1": _set(use_fast_gi=True, ao_bounces_render=1),
    "no persistent data": _set(use_persistent_data=False),
    "one thread": _set(threads=1),
    "tabulated Sobol": _set(sampling_pattern="TABULATED_SOBOL"),
    "guides prefiltered": _set(denoising_prefilter="ACCURATE"),
    "guides not filtered": _set(denoising_prefilter="NONE"),
    "albedo guide alone": _set(denoising_input_passes="RGB_ALBEDO"),
    "no guides": _set(denoising_input_passes="RGB"),
    "environment sampled by a map of 1024": _coarse(1024),
    "2 x 2 sub-pixels": _set(),
    "2 x 2 sub-pixels, guides prefiltered": _set(denoising_prefilter="ACCURATE"),
    "2 x 2 sub-pixels, light of 5 frames": _set(),
    "2 x 2 sub-pixels, light of 5 frames, light tree": _set(use_light_tree=True),
    "3 x 3 sub-pixels": _set(),
    "denoiser balanced": _set(denoising_quality="BALANCED"),
    "denoiser fast": _set(denoising_quality="FAST"),
    "no denoiser": _set(use_denoising=False),
}
"""By name; the first changes nothing."""
SUBPIXELS = {
    "2 x 2 sub-pixels": 2,
    "2 x 2 sub-pixels, guides prefiltered": 2,
    "2 x 2 sub-pixels, light of 5 frames": 2,
    "2 x 2 sub-pixels, light of 5 frames, light tree": 2,
    "3 x 3 sub-pixels": 3,
}
"""Levers that render more than one sub-pixel to a pixel, at the same number of samples per pixel."""
SHARES = {"2 x 2 sub-pixels, light of 5 frames": 2, "2 x 2 sub-pixels, light of 5 frames, light tree": 2}
"""Levers that share light with so many frames before and after each."""
