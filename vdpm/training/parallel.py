"""One process or many: PyTorch's own engines, by the environment that torchrun sets.

    torchrun --nproc-per-node 8 -m vdpm.train --preset paper ...

The windows of a step are shared among the processes and gradients are averaged, so that the curve is that of one process.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import distributed, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from vdpm.model.device import best_device
from vdpm.training.learner import Learner, blocks

Engine = Literal["ddp", "fsdp"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which process this is, of how many, and what it runs on."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether it is the one that writes files."""
        return self.rank == 0

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Mean over all processes."""
        if self.world > 1:
            distributed.all_reduce(values)
        return values / self.world

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            distributed.barrier()


@contextmanager
def joined() -> Iterator[Place]:
    """The processes that torchrun started, or this one alone."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Place(rank=0, world=1, device=best_device())
        return
    local = int(os.environ["LOCAL_RANK"])
    device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Place(rank=distributed.get_rank(), world=world, device=device)
    finally:
        distributed.destroy_process_group()


def wrap(learner: Learner, place: Place, engine: Engine) -> nn.Module:
    """The learner whose gradients are averaged: a copy in every process (DDP), or a share of the weights (FSDP2)."""
    learner.to(place.device)
    if place.world == 1:
        return learner
    if engine == "ddp":
        return DistributedDataParallel(learner, find_unused_parameters=True)
    mesh = init_device_mesh(place.device.type, (place.world,))
    for block in blocks(learner.network):
        fully_shard(block, mesh=mesh)
    fully_shard(learner, mesh=mesh)
    return learner


def local(model: nn.Module, *, last: bool) -> Any:
    """A context in which gradients stay in the process, unless these are the last windows of a step."""
    if isinstance(model, DistributedDataParallel) and not last:
        return model.no_sync()
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(last)
    return nullcontext()


WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def state(model: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[dict[str, Any], dict[str, Any]]:
    """Whole weights and optimiser state by name, on the host; every process has to ask."""
    weights, moments = get_state_dict(model, optimiser, options=WHOLE)
    return {name.removeprefix("network."): tensor for name, tensor in weights.items()}, moments


def restore(
    model: nn.Module, optimiser: torch.optim.Optimizer, weights: Mapping[str, Any], moments: Mapping[str, Any]
) -> None:
    """Put back what `state` gave."""
    named = {f"network.{name}": tensor for name, tensor in weights.items()}
    set_state_dict(model, optimiser, model_state_dict=named, optim_state_dict=dict(moments), options=WHOLE)
