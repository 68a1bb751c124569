"""Complete checkpoints of a run: weights, optimiser, random state and the place in the data, whole or not at all.

RUN/checkpoints/00001200/model.safetensors      the network, as `vdpm.model.weights` reads it
RUN/checkpoints/00001200/state.pt               everything else, read without running code
RUN/checkpoints/00001200/whole                  written last: a folder without it is not looked at
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vdpm.errors import UserError
from vdpm.files import replacing
from vdpm.model.sizes import Sizes
from vdpm.model.weights import write_weights

WHOLE = "whole"
KEPT = 3
"""Checkpoints that stay: a run that went wrong can go back a little."""


def folder(run: Path, step: int) -> Path:
    """Of the checkpoint after a number of steps."""
    return run / "checkpoints" / f"{step:08d}"


def newest(run: Path) -> Path | None:
    """The last whole checkpoint of a run."""
    found = sorted(path.parent for path in (run / "checkpoints").glob(f"*/{WHOLE}"))
    return found[-1] if found else None


def write(
    run: Path, step: int, sizes: Sizes, weights: Mapping[str, Tensor], licence: str, state: Mapping[str, Any]
) -> Path:
    """Write a checkpoint, then delete those that are older than the last few."""
    place = folder(run, step)
    write_weights(weights, sizes, licence, place)
    with replacing(place / "state.pt") as file:
        torch.save(dict(state), file)
    with replacing(place / WHOLE) as file:
        file.write(b"")
    for old in sorted((run / "checkpoints").glob("*"))[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return place


def read_state(place: Path) -> dict[str, Any]:
    """What `write` was given. Raises `UserError` when the file is damaged."""
    try:
        return torch.load(place / "state.pt", map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle fails in as many ways as there are
        what = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"checkpoint {place} is damaged ({what}); delete it, the one before it is used then") from error
