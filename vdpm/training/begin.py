"""Where training starts: from official weights, from ours, or from nothing."""

import torch
from torch import nn

from vdpm.errors import UserError
from vdpm.model.block import Block
from vdpm.model.conditional_block import ConditionalBlock
from vdpm.model.network import Network
from vdpm.model.sizes import FULL, Sizes
from vdpm.model.weights import find, read_network, read_state, start_from_vggt

RESIDUAL = 0.5
"""Initial layer scale: what was 0.01 for a pre-trained network keeps a new one from learning."""


def begin(init: str, sizes: Sizes, seed: int) -> Network:
    """The network to train. Random numbers come from the seed and leave the global generator alone.

    `init` is "" for nothing, or weights: V-DPM's or our own as `read_network` reads them, or VGGT-1B's, to which V-DPM's
    decoder and time token are added. Raises `UserError` when weights are of another size than the preset asks for.
    """
    if not init:
        return from_nothing(sizes, seed)
    network = start_from_vggt(init, seed=seed) if sizes == FULL and _is_vggt(init) else read_network(init)
    if network.sizes != sizes:
        raise UserError(
            f"--init {init}: weights of another size than the preset; choose the preset that they were made by"
        )
    return network


def _is_vggt(init: str) -> bool:
    return any(name.startswith("track_head.") for name in read_state(find(init)))


def from_nothing(sizes: Sizes, seed: int) -> Network:
    """Random weights that learn without pre-training: open residual branches, tokens that differ, poses near identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(sizes)
        _open(network)
    return network


@torch.no_grad()
def _open(network: Network) -> None:
    for module in network.modules():
        if isinstance(module, Block):
            module.ls1.gamma.fill_(RESIDUAL)
            module.ls2.gamma.fill_(RESIDUAL)
        if isinstance(module, ConditionalBlock):
            module.ls2.gamma.fill_(RESIDUAL)
            gate = module.modulation["lin"].get_parameter("bias").view(3, -1)[2]
            gate.fill_(RESIDUAL)
    nn.init.normal_(network.aggregator.patch_embed.pos_embed, std=0.3)
    for token in (network.aggregator.camera_token, network.aggregator.register_token):
        nn.init.normal_(token, std=0.02)
    nn.init.normal_(network.aggregator.time_conditioning_token, std=0.02)
    bias = network.camera_head.pose_branch.fc2.bias
    bias.copy_(torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.9, 0.9]) / 4)  # four steps add up
