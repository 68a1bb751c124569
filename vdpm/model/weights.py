"""Weights in files: what may be read, what has to be in it, and what is written.

A `.safetensors` file of ours says in its header how large the network is and what its licence is. Any other file is taken
for the published network at full size. Nothing here runs what a file says: pickles are refused.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vdpm.errors import UserError
from vdpm.files import replacing
from vdpm.model import hub, licences
from vdpm.model.network import Network
from vdpm.model.sizes import FULL, Sizes

State = dict[str, Tensor]
NAMES = ("model.safetensors", "model.pt")
"""Files that are looked for in a folder or on the hub, in this order."""
VGGT_HEADS = {"depth_head": 62, "track_head": 394}
"""Heads of VGGT that V-DPM has not, and their tensors."""
SHOWN = 6
"""Names in an error, of each kind; the rest is counted."""


def read_network(where: str | Path) -> Network:
    """The V-DPM network of a file, a folder, or a repository of the hub ("owner/name").

    Raises `UserError` when it is not there, damaged, of another model, or not finite.
    """
    file = find(where)
    sizes, licence = _header(file)
    state = read_state(file)
    with torch.device("meta"):
        network = Network(sizes or FULL)
    _check(file, state, network.state_dict(), missing=set(), heads={})
    network.load_state_dict(state, assign=True)
    network.licence = _announce(licence if sizes else licences.VDPM)
    return network


def start_from_vggt(where: str | Path, *, seed: int, sizes: Sizes = FULL) -> Network:
    """A network to train: weights of VGGT, and what V-DPM adds to it (time token, decoder) drawn from a seed.

    The heads of VGGT that V-DPM has not are left out. Raises `UserError` as `read_network` does.
    """
    file = find(where)
    state = read_state(file)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(sizes)
    _check(file, state, network.state_dict(), missing=new_in_vdpm(network), heads=VGGT_HEADS)
    kept = {name: tensor for name, tensor in state.items() if name.partition(".")[0] not in VGGT_HEADS}
    network.load_state_dict(kept, strict=False)
    network.licence = _announce(licences.VGGT)
    return network


def new_in_vdpm(network: Network) -> set[str]:
    """Tensors that VGGT has not."""
    return {name for name in network.state_dict() if name.startswith(("decoder.", "aggregator.time_"))}


def find(where: str | Path) -> Path:
    """The file of weights that is meant. What is on this machine is found without a network."""
    path = Path(where)
    if path.is_file():
        return path
    if path.is_dir():
        files = [path / name for name in NAMES if (path / name).is_file()]
        if not files:
            raise UserError(f"{path} holds no weights: {' or '.join(NAMES)}")
        return files[0]
    if hub.is_repository(str(where)):
        return hub.download(str(where), NAMES)
    raise UserError(f"no weights at {where}: give a file, a folder, or a repository of the hub as owner/name")


def read_state(file: Path) -> State:
    """All tensors of a file in single precision. Raises `UserError` when it is not a finite state dict."""
    try:
        state = _read(file)
    except Exception as error:  # a damaged pickle fails in as many ways as there are
        what = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"weights {file} are damaged or not weights ({what}); download them again") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UserError(f"weights {file} are no state dict: a mapping of names to tensors and nothing else")
    broken = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    if broken:
        raise UserError(f"weights {file} hold NaN or infinite values: {listing(broken)}")
    return {name: tensor.float() for name, tensor in state.items()}


def _read(file: Path) -> State:
    if file.suffix != ".safetensors":
        return torch.load(file, map_location="cpu", weights_only=True)
    with safe_open(file, framework="pt") as content:
        return {name: content.get_tensor(name) for name in content.keys()}


def _header(file: Path) -> tuple[Sizes | None, str]:
    """Sizes and licence if the file is ours."""
    if file.suffix != ".safetensors":
        return None, ""
    try:
        with safe_open(file, framework="pt") as content:
            facts = content.metadata() or {}
        plain = json.loads(facts.get("sizes", "null"))
        return (Sizes(**_tuples(plain)) if plain else None), facts.get("licence", "")
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise UserError(f"weights {file} are damaged or not weights ({error}); download them again") from error


def _tuples(plain: dict[str, object]) -> dict:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}


def _check(file: Path, state: State, wanted: State, *, missing: set[str], heads: dict[str, int]) -> None:
    """Raise unless a state holds exactly the wanted tensors but the missing ones, and whole heads to leave out."""
    count = {head: sum(name.partition(".")[0] == head for name in state) for head in heads}
    extra = {name for name in state.keys() - wanted.keys() if name.partition(".")[0] not in heads}
    problems = {
        "missing": sorted(wanted.keys() - state.keys() - missing),
        "unknown": sorted(extra | (state.keys() & missing)),
        "of another shape": [
            f"{name} {tuple(state[name].shape)} instead of {tuple(wanted[name].shape)}"
            for name in sorted(state.keys() & wanted.keys())
            if state[name].shape != wanted[name].shape
        ],
        "heads of another number of tensors": [
            f"{head} {count[head]} instead of {number}" for head, number in heads.items() if count[head] != number
        ],
    }
    found = "; ".join(f"{len(names)} {what}: {listing(names)}" for what, names in problems.items() if names)
    if found:
        kind = "VGGT" if heads else "V-DPM"
        raise UserError(f"weights {file} are not of {kind}: {found}")


def listing(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _announce(licence: str) -> str:
    if licence:
        print(f"note: {licence}", file=sys.stderr)
    return licence


def write_network(network: Network, folder: Path) -> Path:
    """Write `model.safetensors`, whole or not at all; the licence that the weights came with goes along."""
    return write_weights(network.state_dict(), network.sizes, network.licence, folder)


def write_weights(weights: Mapping[str, Tensor], sizes: Sizes, licence: str, folder: Path) -> Path:
    """`write_network` for weights that are in no network."""
    path = folder / NAMES[0]
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    facts = {"format": "pt", "sizes": json.dumps(asdict(sizes)), "licence": licence}
    with replacing(path) as file:
        try:
            save_file(state, file.name, metadata=facts)
            Path(file.name).chmod(0o644)  # it makes files that nobody else may read
        except SafetensorError as error:
            raise OSError(str(error)) from error
    return path


def push_to_hub(network: Network, repository: str) -> None:
    """Upload the weights to a repository ("owner/name"), from which `read_network` reads them."""
    with tempfile.TemporaryDirectory() as folder:
        write_network(network, Path(folder))
        hub.upload(Path(folder), repository)
