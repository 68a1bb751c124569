"""Batches of noise, and `python -m tests.training --preset test`: training in seconds."""

from dataclasses import replace

import torch
import tyro

from vdpm.errors import run_command
from vdpm.model.sizes import Sizes
from vdpm.train import Config, main
from vdpm.training.presets import PRESETS
from vdpm.training.sample import MOVING, Batch


def noise(seed: int = 0, windows: int = 2, frames: int = 3, side: int = 16) -> Batch:
    """Everything random, with some pixels of every kind."""
    rng = torch.Generator().manual_seed(seed)
    maps = windows, frames, side, side
    here = torch.randn(*maps, 3, generator=rng)
    valid = torch.rand(maps, generator=rng) < 0.9
    known = valid & (torch.rand(maps, generator=rng) < 0.8)
    step = 0.3 * torch.randn(*maps, 3, generator=rng) * (torch.rand(*maps, 1, generator=rng) < 0.4)
    turn = torch.nn.functional.normalize(torch.randn(windows, frames, 4, generator=rng), dim=-1)
    place, sides = (torch.randn(windows, frames, size, generator=rng) for size in (3, 2))
    return Batch(
        images=torch.rand(windows, frames, 3, side, side, generator=rng),
        target=torch.randint(frames, (windows,), generator=rng),
        stamps=torch.arange(frames).float().expand(windows, -1).clone(),
        here=here * valid[..., None],
        there=(here + step) * known[..., None],
        valid=valid,
        known=known,
        moving=known & (step.norm(dim=-1) > MOVING),
        pixels=(side * torch.rand(*maps, 2, generator=rng)) * known[..., None],
        visible=known & (torch.rand(maps, generator=rng) < 0.7),
        cameras=torch.cat((place, turn, sides.abs()), dim=-1),
        posed=torch.ones(windows, dtype=torch.bool),
        names=tuple(f"noise-{seed}-{number}" for number in range(windows)),
    )


SMALLEST = Sizes(
    image=32,
    width=32,
    heads=2,
    vision_depth=1,
    depth=4,
    taps=(0, 1, 2, 3),
    decoder_depth=1,
    camera_depth=1,
    point_features=8,
    point_channels=(8, 8, 8, 8),
    patch=16,
    stem=16,
    matching=8,
)
"""Everything that a network can have, in as few numbers as can be trained in a test."""

PRESET = replace(
    PRESETS["tiny"],
    sizes=SMALLEST,
    size=32,
    frames=(2, 3),
    steps=12,
    warm_up=0.3,
    checkpointing=True,
    batch=2,
    accumulate=2,
)


if __name__ == "__main__":
    PRESETS["test"] = PRESET
    PRESETS["exact"] = replace(PRESET, bfloat16=False)
    torch.set_num_threads(1)
    run_command(lambda: main(tyro.cli(Config)))
