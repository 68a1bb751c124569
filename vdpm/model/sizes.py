"""How large the network is: plain numbers, nothing else configures it."""

from dataclasses import dataclass

CAMERA, TIME = 0, 1
"""Where the camera and the time token stand among the tokens of a frame; registers and patches follow."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of the V-DPM network. The decoder and both heads are twice as wide as the backbone."""

    image: int
    """Side in pixels of the square image that the position embedding was made for."""
    width: int
    """Of a backbone token."""
    heads: int
    """Of every attention."""
    vision_depth: int
    """Blocks of the vision transformer that reads each image."""
    depth: int
    """Pairs of frame and global blocks in the backbone."""
    taps: tuple[int, int, int, int]
    """Pairs whose outputs are read by the decoder and the point head."""
    decoder_depth: int
    """Pairs of frame and global blocks in the time-conditioned decoder."""
    camera_depth: int
    point_features: int
    point_channels: tuple[int, int, int, int]
    """Of the four levels, fine to coarse."""
    patch: int = 14
    """Side of a patch in pixels; images are a multiple of it."""
    registers: int = 4
    stem: int = 0
    """Channels of a convolutional stem at a quarter of the resolution, for training from nothing; 0 for none."""
    matching: int = 0
    """Channels in which frames are matched with the target frame (`vdpm.model.matching`); 0 for none. Needs a stem."""

    @property
    def special(self) -> int:
        """Tokens of a frame before its patches: camera, time, registers."""
        return 2 + self.registers


FULL = Sizes(
    image=518,
    width=1024,
    heads=16,
    vision_depth=24,
    depth=24,
    taps=(4, 11, 17, 23),
    decoder_depth=4,
    camera_depth=4,
    point_features=256,
    point_channels=(256, 512, 1024, 1024),
)
"""V-DPM as published: 1.66 billion parameters."""

SMALL = Sizes(
    image=518,
    width=384,
    heads=6,
    vision_depth=12,
    depth=12,
    taps=(2, 5, 8, 11),
    decoder_depth=2,
    camera_depth=2,
    point_features=64,
    point_channels=(48, 96, 192, 384),
)
"""As wide as ViT-S: experiments on one GPU, timings on a CPU."""

TINY = Sizes(
    image=56,
    width=64,
    heads=4,
    vision_depth=2,
    depth=4,
    taps=(0, 1, 2, 3),
    decoder_depth=2,
    camera_depth=2,
    point_features=16,
    point_channels=(16, 32, 64, 64),
)
"""Everything is there, in 2 million parameters: tests."""

LIGHT = Sizes(
    image=96,
    width=192,
    heads=4,
    vision_depth=0,
    depth=4,
    taps=(0, 1, 2, 3),
    decoder_depth=1,
    camera_depth=1,
    point_features=32,
    point_channels=(32, 48, 96, 96),
    patch=16,
    stem=64,
    matching=64,
)
"""Learns from nothing within an hour of one CPU core: a stem instead of DINOv2, and motion by matching."""

COMPACT = Sizes(
    image=128,
    width=160,
    heads=4,
    vision_depth=0,
    depth=8,
    taps=(1, 3, 5, 7),
    decoder_depth=1,
    camera_depth=1,
    point_features=64,
    point_channels=(48, 64, 96, 96),
    patch=8,
    stem=96,
    matching=96,
)
"""As many weights as `LIGHT`, in more blocks and on four times as many patches: learns from nothing on one GPU."""

PRESETS = {"full": FULL, "small": SMALL, "light": LIGHT, "compact": COMPACT, "tiny": TINY}
