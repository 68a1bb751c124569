"""The network run as its authors published it: every time for every frame, everything made anew and kept.

The same weights and the same answers as `Encoding`, by other means: what `Encoding` is tested against and timed against.
All levels are kept where four are read, angles are looked up token by token, position maps are made at every call, levels
are copied and conditions repeated for every time, and all S x S maps stay on the device.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from vdpm.model.attention import Attention
from vdpm.model.block import Block
from vdpm.model.conditional_block import ConditionalBlock
from vdpm.model.maps import LONGEST, STRENGTH
from vdpm.model.network import Network
from vdpm.model.point_head import CHUNK, PointHead
from vdpm.model.rope import BASE
from vdpm.model.sizes import CAMERA, TIME


@dataclass(frozen=True, kw_only=True)
class Plain:
    """All that the published inference answers, on the device."""

    points: Float[Tensor, "T B S H W 3"]
    """points[t, b, s] = P_s(t) of video b, in the camera of its first frame."""
    confidence: Float[Tensor, "T B S H W"]
    poses: Float[Tensor, "B S 9"]
    tokens: list[Float[Tensor, "B S P D"]]
    """The levels that it kept."""


@torch.no_grad()
def infer(network: Network, images: Float[Tensor, "B S 3 H W"], *, bfloat16: bool = False) -> Plain:
    """Every frame at every time."""
    grid = network.grid(images.shape[-2], images.shape[-1])
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16):
        tokens = backbone(network, images)
    points, confidence = [], []
    for time in range(images.shape[1]):
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16):
            levels = decode(network, tokens, grid, time)
        maps = point_maps(network.point_head, levels, grid)
        points.append(maps[..., :3].sign() * torch.expm1(maps[..., :3].abs()))
        confidence.append(1 + maps[..., 3].exp())
    poses = network.camera_head(tokens[-1][:, :, CAMERA].to(network.camera_head.empty_pose_tokens.dtype))[-1]
    return Plain(points=torch.stack(points), confidence=torch.stack(confidence), poses=poses, tokens=tokens)


def backbone(network: Network, images: Float[Tensor, "B S 3 H W"]) -> list[Float[Tensor, "B S P D"]]:
    """Outputs of every pair of blocks."""
    x = network.aggregator.tokens(images)
    batch, frames, count, width = x.shape
    place = positions(network, images.shape[-2:], batch * frames, images.device)
    tokens = []
    for within, across in zip(network.aggregator.frame_blocks, network.aggregator.global_blocks, strict=True):
        own = block(within, x.reshape(batch * frames, count, width), place)
        x = block(across, own.reshape(batch, frames * count, width), place.reshape(batch, frames * count, 2))
        tokens.append(torch.cat([own.reshape(batch, frames, count, width), x.reshape(batch, frames, count, width)], -1))
    return tokens


def decode(
    network: Network, tokens: list[Float[Tensor, "B S P D"]], grid: tuple[int, int], time: int
) -> list[Float[Tensor, "B S P D"]]:
    """The four levels of all frames at one time."""
    batch, frames, count, width = tokens[0].shape
    levels = [tokens[tap].clone() for tap in network.sizes.taps]
    index = torch.full((batch, frames, 1), time, device=tokens[0].device).expand(-1, -1, width)
    condition = tokens[-1][:, :, TIME].gather(1, index).repeat(len(levels), 1, 1)
    x = torch.cat(levels, dim=0)
    size = grid[0] * network.sizes.patch, grid[1] * network.sizes.patch
    place = positions(network, torch.Size(size), len(x) * frames, x.device)
    nests = zip(network.decoder.frame_blocks.children(), network.decoder.global_blocks.children(), strict=True)
    for within, across in (pair for nest in nests for pair in zip(*(half.children() for half in nest), strict=True)):
        x = conditional(within, x.reshape(-1, count, width), condition.reshape(-1, 1, width), place)
        spread = condition.repeat_interleave(count, dim=1)
        x = conditional(across, x.reshape(-1, frames * count, width), spread, place.reshape(len(condition), -1, 2))
        x = x.reshape(-1, frames, count, width)
    return list(x.split(batch))


def positions(network: Network, size: torch.Size, count: int, device: torch.device) -> Int[Tensor, "N P 2"]:
    """Row and column of every token of every frame."""
    rows, columns = network.grid(*size)
    grid = torch.cartesian_prod(torch.arange(rows, device=device), torch.arange(columns, device=device)) + 1
    return torch.cat([grid.new_zeros(network.sizes.special, 2), grid]).expand(count, -1, -1).clone()


def block(module: torch.nn.Module, x: Tensor, place: Int[Tensor, "N P 2"]) -> Float[Tensor, "N P C"]:
    """A block of the backbone."""
    assert isinstance(module, Block)
    x = x + module.ls1(attend(module.attn, module.norm1(x), place))
    return x + module.ls2(module.mlp(module.norm2(x)))


def conditional(module: torch.nn.Module, x: Tensor, condition: Tensor, place: Tensor) -> Float[Tensor, "N P C"]:
    """A block of the decoder, told the target time of every token."""
    assert isinstance(module, ConditionalBlock)
    shift, scale, gate = module.modulation["lin"](functional.silu(condition)).chunk(3, dim=-1)
    x = x + gate * attend(module.attn, (1 + scale) * module.norm1(x) + shift, place)
    return x + module.ls2(module.mlp(module.norm2(x)))


def attend(module: Attention, x: Float[Tensor, "N P C"], place: Int[Tensor, "N P 2"]) -> Float[Tensor, "N P C"]:
    """Self-attention."""
    count, tokens, width = x.shape
    qkv = module.qkv(x).reshape(count, tokens, 3, module.heads, width // module.heads).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)
    q, k = turn(module.q_norm(q), place), turn(module.k_norm(k), place)
    seen = functional.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v)
    return module.proj(seen.transpose(1, 2).reshape(count, tokens, width))


def turn(x: Float[Tensor, "N heads P D"], place: Int[Tensor, "N P 2"]) -> Float[Tensor, "N heads P D"]:
    """Rotary embedding by looking up the angle of every token; waits for the device to know the largest position."""
    half = x.shape[-1] // 2
    frequency = 1.0 / BASE ** (torch.arange(0, half, 2, device=x.device).float() / half)
    angle = torch.arange(int(place.max()) + 1, device=x.device)[:, None].float() * frequency
    angle = torch.cat([angle, angle], dim=-1).to(x.dtype)
    parts = []
    for part, axis in zip(x.chunk(2, dim=-1), place.unbind(-1), strict=True):
        cosine, sine = (functional.embedding(axis, table)[:, None] for table in (angle.cos(), angle.sin()))
        a, b = part.chunk(2, dim=-1)
        parts.append(part * cosine + torch.cat([-b, a], dim=-1) * sine)
    return torch.cat(parts, dim=-1)


def point_maps(
    head: PointHead, levels: list[Float[Tensor, "B S P D"]], grid: tuple[int, int]
) -> Float[Tensor, "B S H W 4"]:
    """What the point head says of all frames, eight at a time."""
    frames = [level.flatten(0, 1).to(head.norm.weight.dtype) for level in levels]
    parts = [
        point_map(head, [level[at : at + CHUNK] for level in frames], grid) for at in range(0, len(frames[0]), CHUNK)
    ]
    return torch.cat(parts).unflatten(0, levels[0].shape[:2]).permute(0, 1, 3, 4, 2)


def point_map(head: PointHead, levels: list[Float[Tensor, "N P D"]], grid: tuple[int, int]) -> Float[Tensor, "N 4 H W"]:
    """What the point head says of some frames."""
    aspect, features = grid[1] / grid[0], []
    for number, level in enumerate(levels):
        x = head.norm(level[:, head.sizes.special :]).permute(0, 2, 1).reshape(len(level), -1, *grid)
        x = with_positions(head.projects[number](x), aspect)
        features.append(head.scratch[f"layer{number + 1}_rn"](head.resize_layers[number](x)))
    size = grid[0] * head.sizes.patch, grid[1] * head.sizes.patch
    x = functional.interpolate(head.fuse(features), size=size, mode="bilinear", align_corners=True)
    return head.scratch["output_conv2"](with_positions(x, aspect))


def with_positions(x: Float[Tensor, "N C h w"], aspect: float) -> Float[Tensor, "N C h w"]:
    """Features plus sines and cosines of the place of every pixel, in double precision."""
    channels, height, width = x.shape[1:]
    diagonal = (aspect**2 + 1) ** 0.5
    right, low = (aspect / diagonal * (width - 1) / width), (1 / diagonal * (height - 1) / height)
    across = torch.linspace(-right, right, width, device=x.device)
    down = torch.linspace(-low, low, height, device=x.device)
    place = torch.stack(torch.meshgrid(across, down, indexing="xy"), dim=-1).reshape(-1, 2)
    precise = torch.float32 if x.device.type == "mps" else torch.float64
    omega = 1.0 / LONGEST ** (torch.arange(channels // 4, dtype=precise, device=x.device) / (channels / 4))
    angles = [axis[:, None] * omega for axis in place.unbind(-1)]
    waves = torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=-1).float()
    return x + STRENGTH * waves.reshape(height, width, channels).permute(2, 0, 1).to(x.dtype)
