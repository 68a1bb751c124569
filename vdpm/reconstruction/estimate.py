"""How long a reconstruction will take, before it starts: operations by formula over the measured speed of the device.

A block of width d on a token costs 24 d^2 operations (queries, keys, values, projection, MLP) and 4 n d for attention among
n tokens. The decoder is twice as wide and runs on four levels at once; the point head costs so much a pixel.
"""

import time

import torch

from vdpm.model.device import products
from vdpm.model.frames import fit
from vdpm.model.model import Model
from vdpm.model.sizes import Sizes
from vdpm.reconstruction.window import Plan

PRODUCT = 1024
"""Side of the matrices whose product is timed."""
PRODUCTS = 4
EFFICIENCY = 0.6
"""Of the network against large products: it also normalises, reshapes and copies."""
HEAD_A_PIXEL = 17
"""Operations of the point head for a pixel, over the square of its features."""
LEVELS = 4


def estimate_seconds(model: Model, plan: Plan, height: int, width: int) -> float:
    """Right to a factor of two or so."""
    image = fit(height, width, model.network.sizes).image
    operations = sum(answering(model.network.sizes, len(frames), *image) for frames in plan.all)
    return operations / (EFFICIENCY * _speed(model))


def answering(sizes: Sizes, frames: int, height: int, width: int) -> float:
    """Operations of one window: the backbone once, the decoder at every time of one frame and at two times of all."""
    heads = (2 * frames + 2 * frames) * HEAD_A_PIXEL * sizes.point_features**2 * height * width
    return backbone(sizes, frames, height, width) + (frames + 2) * decoder(sizes, frames, height, width) + heads


def backbone(sizes: Sizes, frames: int, height: int, width: int) -> float:
    """Operations of the vision transformer and the alternating blocks."""
    each = _tokens(sizes, height, width)
    within, across = _block(sizes.width, each), _block(sizes.width, frames * each)
    return frames * each * (sizes.vision_depth * within + sizes.depth * (within + across))


def decoder(sizes: Sizes, frames: int, height: int, width: int) -> float:
    """Operations of one target time."""
    each, wide = _tokens(sizes, height, width), 2 * sizes.width
    pair = _block(wide, each) + _block(wide, frames * each)
    return LEVELS * frames * each * sizes.decoder_depth * pair


def _tokens(sizes: Sizes, height: int, width: int) -> int:
    return (height // sizes.patch) * (width // sizes.patch) + sizes.special


def _block(width: int, among: int) -> int:
    """Of one token."""
    return 24 * width**2 + 4 * among * width


def _speed(model: Model) -> float:
    """Operations a second of the device in matrix products, as the network multiplies."""
    matrix = torch.ones(PRODUCT, PRODUCT, device=model.device)
    with torch.no_grad(), products(model.device, model.bfloat16):
        float((matrix @ matrix)[0, 0])  # starts what has to be started
        start = time.perf_counter()
        for _ in range(PRODUCTS):
            torch.mm(matrix, matrix)
        float((matrix @ matrix)[0, 0])  # waits for the device
    return (PRODUCTS + 1) * 2 * PRODUCT**3 / (time.perf_counter() - start)
