"""Colours for what cannot be seen: depth, bodies, flow, tracks over a frame. Conventions: `vdpm.clip`."""

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageDraw

from vdpm import derive
from vdpm.clip import Clip
from vdpm.geometry import invert, project, transform

Picture = UInt8[np.ndarray, "H W 3"]
TURBO = np.array([
    [0.13572138, 4.61539260, -42.66032258, 132.13108234, -152.94239396, 59.28637943],
    [0.09140261, 2.19418839, 4.84296658, -14.18503333, 4.27729857, 2.82956604],
    [0.10667330, 12.64194608, -60.58204836, 110.36276771, -89.90310912, 27.34824973],
])  # fmt: skip
"""Polynomial fit of the Turbo colour map (Mikhailov 2019), red, green, blue by rising power."""
UNKNOWN = 40
"""Grey of pixels without a value."""
TRACK_GRID = 12
"""Tracks are drawn for pixels this far apart, more or less, at any size of image."""


def turbo(value: Float[np.ndarray, "H W"]) -> Picture:
    """Colours of values from 0 (blue) to 1 (red); grey where NaN."""
    powers = np.clip(value, 0.0, 1.0)[..., None] ** np.arange(6)
    colours = np.where(np.isnan(value)[..., None], UNKNOWN / 255, powers @ TURBO.T)
    return (np.clip(colours, 0.0, 1.0) * 255).astype(np.uint8)


def depth_picture(depth: Float[np.ndarray, "H W"]) -> Picture:
    """Near red, far blue, even in the logarithm between the 1st and 99th percentile."""
    low, high = np.log(np.nanpercentile(depth, [1, 99]))
    return turbo(1.0 - (np.log(depth) - low) / max(high - low, 1e-6))


def body_picture(body: Int[np.ndarray, "H W"]) -> Picture:
    """A colour for each id, neighbours far apart on the wheel (golden angle); the first body, the ground, is grey."""
    hue = np.where(body > 0, (body * 0.61803) % 1.0, 0.0)
    saturation = np.where(body > 0, 0.65, 0.0)
    value = np.where(body < 0, UNKNOWN / 255, np.where(body == 0, 0.5, 0.95))
    return hsv(hue, saturation, value)


def flow_picture(flow: Float[np.ndarray, "H W 2"]) -> Picture:
    """Direction as hue, length as saturation up to the 99th percentile (Baker et al. 2011); grey where NaN."""
    length = np.linalg.norm(flow, axis=-1)
    scale = max(float(np.nanpercentile(length, 99)), 1e-6)
    hue = (np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi)) % 1.0
    known = ~np.isnan(length)
    saturation = np.where(known, np.clip(length / scale, 0.0, 1.0), 0.0)
    return hsv(np.where(known, hue, 0.0), saturation, np.where(known, 1.0, UNKNOWN / 255))


def hsv(
    hue: Float[np.ndarray, "H W"], saturation: Float[np.ndarray, "H W"], value: Float[np.ndarray, "H W"]
) -> Picture:
    """8-bit RGB of HSV images with all channels from 0 to 1."""
    image = (np.stack([hue, saturation, value], axis=-1) * 255).round().astype(np.uint8)
    return np.asarray(Image.fromarray(image, "HSV").convert("RGB"))


def track_picture(clip: Clip, frame: int, tail: int = 12) -> Picture:
    """Where the points of the first frame are at a frame and how they got there, over that frame, moving bodies only.

    Tracks go on behind what hides them: the truth knows where every point is.
    """
    source = derive.hits(clip, 0)
    times = range(max(0, frame - tail), frame + 1)
    world = np.stack([derive.points(clip, source, time) for time in (0, *times)])
    seen_now = transform(invert(clip.cameras.world_from_camera[frame]), world)
    pixels = project(seen_now, np.tile(clip.cameras.K[frame], (len(world), 1, 1)))[1:]
    moving = np.linalg.norm(world[-1] - world[0], axis=-1) > 0.02
    height, width = moving.shape
    step = max(2, round(min(height, width) / (128 / TRACK_GRID * 2)))
    picture = Image.fromarray((clip.rgb[frame] * 0.55).astype(np.uint8)).resize((2 * width, 2 * height))
    drawing = ImageDraw.Draw(picture)
    rows, columns = np.nonzero(moving[step // 2 :: step, step // 2 :: step])
    for row, column in zip(rows * step + step // 2, columns * step + step // 2, strict=True):
        line = pixels[:, row, column] * 2
        colour = turbo(np.array([[(row / height + column / width) / 2]]))[0, 0]
        if not np.isnan(line).any():
            drawing.line([tuple(point) for point in line], fill=tuple(colour.tolist()), width=2)
            x, y = line[-1]
            drawing.ellipse([x - 2, y - 2, x + 2, y + 2], fill=tuple(colour.tolist()))
    return np.asarray(picture.resize((width, height), Image.Resampling.LANCZOS))
