"""The network as it is trained: one call from a batch to its losses, which is what parallel engines wrap."""

from contextlib import nullcontext
from dataclasses import fields, replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vdpm.model.block import Block
from vdpm.model.conditional_block import ConditionalBlock
from vdpm.model.network import Answer, Network
from vdpm.training.losses import losses, total
from vdpm.training.presets import Preset
from vdpm.training.sample import Batch


class Learner(nn.Module):
    """A network, its objective and its precision."""

    def __init__(self, network: Network, preset: Preset) -> None:
        super().__init__()
        self.network, self.preset = network, preset
        for name, part in network.named_children():
            part.requires_grad_(not preset.only or name in preset.only)
        if preset.frozen_vision:
            network.aggregator.patch_embed.requires_grad_(False)
        network.aggregator.patch_embed.mask_token.requires_grad_(False)  # read by nobody
        if preset.checkpointing:
            for block in blocks(network):
                block.forward = partial(checkpoint, block.forward, use_reentrant=False)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor], Answer]:
        """The weighted sum of the losses, each of them, and what they are about."""
        with torch.autocast(batch.images.device.type, torch.bfloat16, enabled=self.preset.bfloat16):
            answer = self.network.answer(batch.images, batch.target, half_heads=self.preset.half_heads)
        with nullcontext() if not self.preset.bfloat16 else torch.autocast(batch.images.device.type, enabled=False):
            found = losses(answer, batch, self.preset.objective)
        return total(found, self.preset.objective), found, answer


def blocks(network: Network) -> list[nn.Module]:
    """All transformer blocks."""
    return [module for module in network.modules() if isinstance(module, (Block, ConditionalBlock))]


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on a device."""
    moved = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return replace(
        batch,
        **{name: value.to(device, non_blocking=True) for name, value in moved.items() if isinstance(value, Tensor)},
    )
