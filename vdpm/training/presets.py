"""Named ways of training: network, data, objective and optimiser of each."""

from dataclasses import dataclass, field, replace

from vdpm.errors import unknown
from vdpm.model.sizes import COMPACT, FULL, LIGHT, Sizes
from vdpm.training.losses import Objective
from vdpm.training.windows import Reference


@dataclass(frozen=True, kw_only=True)
class Preset:
    """All that decides what training does but the data themselves, the seed and the length."""

    sizes: Sizes
    objective: Objective = field(default_factory=Objective)
    size: int
    """Side of the training images, pixels."""
    frames: tuple[int, ...]
    """Lengths of windows; each batch has one of them."""
    strides: tuple[int, int] = (1, 4)
    reference: Reference = "central"
    batch: int
    """Windows that go through the network together; all have the same length."""
    accumulate: int = 1
    """Batches of a step, over all processes."""
    steps: int
    lr: float
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05
    warm_up: float
    """Share of the steps in which the learning rate rises to its full value."""
    decay: float = 1.0
    """Share of the steps, the last ones, in which it falls as a cosine."""
    clip: float = 1.0
    """Largest norm of the gradient of each part of the network."""
    bfloat16: bool = True
    """Matrix products of backbone and decoder, and of the heads too if `half_heads`."""
    half_heads: bool = False
    checkpointing: bool = False
    """Blocks are computed twice instead of remembered."""
    only: tuple[str, ...] = ()
    """Parts of the network that learn; all when none is named."""
    frozen_vision: bool = False
    """The vision transformer does not learn."""


FROM_NOTHING = Objective(
    points=1.0, moved=0.0, camera=2.0, confidence=0.0, motion_weight=5.0, displacement=0.3, flat=0.25, matching=1.0
)
"""Without matches that are taught and a displacement loss, motion is not learnt in thousands of clips.

A network that matches says Q as P plus a displacement, so Q has no loss of its own: at first P is farther off than things
move, and a loss on Q would have displacements mend P.
"""

PRESETS = {
    "tiny": Preset(
        sizes=LIGHT, objective=FROM_NOTHING, size=96, frames=(2, 3, 4, 6), strides=(1, 4), reference="any-of-both",
        batch=4, steps=6_000, lr=1e-3, weight_decay=0.02, warm_up=0.02, decay=0.8, half_heads=True,
    ),
    "small": Preset(
        sizes=COMPACT, objective=replace(FROM_NOTHING, displacement=0.5), size=128, frames=(2, 2, 4, 6), strides=(1, 6),
        reference="any-of-both", batch=64, steps=6_000, lr=1.2e-3, weight_decay=0.1, warm_up=0.03, decay=0.97, half_heads=True,
    ),
    "farther": Preset(
        sizes=COMPACT, objective=replace(FROM_NOTHING, displacement=1.0, pooled=True), size=128, frames=(2, 2, 2, 3),
        strides=(1, 12), reference="any-of-both", batch=8, accumulate=4, steps=440, lr=3e-4, weight_decay=0.1, warm_up=0.03,
        decay=0.97, half_heads=True,
    ),
    "paper": Preset(
        sizes=FULL, size=518, frames=(5, 9, 13, 19), batch=1, accumulate=64, steps=32_500 * 60 // 64, lr=1.5e-4, warm_up=0.05,
        checkpointing=True, frozen_vision=True,
    ),
}  # fmt: skip
"""`tiny`: an hour or two of one CPU core, from nothing. `small`: 6000 steps of 0.42 s on one H100. `farther` goes on from
`small` on two CPU cores: mostly pairs, up to 12 frames apart, displacements by their length as benchmarks pool them; 8
frames apart the mean of the weights before and after scores better than either (card of the small weights). `paper`: what
V-DPM's paper and configuration say, from VGGT-1B: AdamW, base learning rate 1.5e-4, cosine, windows of 5, 9, 13 and 19
frames, camera loss times 5, bfloat16, frozen patch embedding; what they leave out (weight decay, betas, warm-up, strides)
is ours."""


def find_preset(name: str) -> Preset:
    """The preset of a name."""
    if name not in PRESETS:
        raise unknown("preset", name, list(PRESETS), "add one in vdpm/training/presets.py")
    return PRESETS[name]
