"""Freeze a folder of rendered shards into a suite that the repository carries.

    python -m benchmark.freeze --folder data/mini --name mini --version 1 --description "Six small clips."

Copies the shards to benchmark/frozen/<name>/ and writes suite.json with the names of the clips and the SHA-256 of every
shard. Commit the folder; `python benchmark/run.py --suite <name>` then scores exactly these clips, anywhere. With
`--family`, the one that the folder was rendered with, only a list is written from which the clips are rendered again where
they are needed (`benchmark.listed`), with a few samples to compare them with.
"""

import io
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmark import listed, suites
from vdpm.clip import Clip
from vdpm.errors import UserError, run_command
from vdpm.files import replacing, sha256

SEED = 0
"""Of the places that are sampled."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Freeze a folder of rendered shards into a suite that the repository carries."""

    folder: Path
    """Folder of rendered shards."""
    name: str
    """Name of the suite: letters, digits, '-' and '_'."""
    description: str
    """One sentence for listings and the leaderboard."""
    family: str = ""
    """Write a list for `benchmark.make_suite` that renders this --family instead of copying the shards."""
    version: str = "1"
    """Raise it whenever a clip changes: scores of different versions are never compared."""


def freeze(config: Config) -> Path:
    """Write the suite and return its folder. Raises `UserError` when this version of it is already frozen."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", config.name):
        raise UserError(f"suite name {config.name!r}: only letters, digits, '-' and '_'")
    target = suites.FROZEN / config.name
    if (target / "suite.json").exists() and suites.facts(config.name)["version"] == config.version:
        raise UserError(f"suite {config.name!r} version {config.version} is already frozen; raise --version")
    source = suites.find_suite(str(config.folder.resolve()))
    if config.family:
        return _write_list(config, target, source)
    facts = {
        "name": config.name,
        "version": config.version,
        "description": config.description,
        "clips": list(source.clips),
        "shards": {shard.name: sha256(shard) for shard in source.shards},
    }
    for stale in set(target.glob("*.tar")) - {target / shard.name for shard in source.shards}:
        stale.unlink()
    for shard in source.shards:
        with replacing(target / shard.name) as copy, shard.open("rb") as original:
            shutil.copyfileobj(original, copy)
    with replacing(target / "suite.json") as file:
        file.write(json.dumps(facts, indent=1).encode() + b"\n")
    return target


def _write_list(config: Config, target: Path, source: suites.Suite) -> Path:
    """suite.json with recipe and fingerprints, samples.npz with what to compare where bytes differ."""
    names, fingerprints, arrays = [], {}, {}
    for number, (clip, _) in enumerate(suites.read_suite(source)):
        assert isinstance(clip, Clip)
        names.append(clip.name)
        fingerprints[clip.name] = listed.clip_fingerprint(clip)
        found = listed.samples(clip, np.random.default_rng([SEED, number]))
        arrays |= {f"{clip.name}.{key}": array for key, array in found.items()}
    facts = {
        "name": config.name,
        "version": config.version,
        "description": config.description,
        "recipe": _recipe(config, len(names)),
        "clips": fingerprints,
    }
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    with replacing(target / "samples.npz") as file:
        file.write(content.getbuffer())
    with replacing(target / "suite.json") as file:
        file.write(json.dumps(facts, indent=1).encode() + b"\n")
    return target


def _recipe(config: Config, clips: int) -> dict[str, Any]:
    """Flags of generation/render.py, from what it wrote into the folder."""
    try:
        told = json.loads((config.folder / "dataset.json").read_text(encoding="utf-8"))
        width, height = told["resolution"]
        return {
            "family": config.family,
            "num": clips,
            "seed": told["seed"],
            "resolution": f"{width}x{height}",
            "frames": told["frames"],
            "samples": told["samples"],
        }
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{config.folder / 'dataset.json'} is not what generation/render.py writes ({error}); render the folder with it"
        ) from error


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    target = freeze(config)
    megabytes = sum(file.stat().st_size for file in target.iterdir()) / 1e6
    print(f"{target}: {len(suites.facts(config.name)['clips'])} clips, {megabytes:.1f} MB")


if __name__ == "__main__":
    run_command(main)
