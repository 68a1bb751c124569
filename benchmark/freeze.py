"""Freeze a folder of rendered shards into a suite that the repository carries.

    python -m benchmark.freeze --folder data/mini --name mini --version 1 --description "Six small clips."

Copies the shards to benchmark/frozen/<name>/ and writes suite.json with the names of the clips and the SHA-256 of every
shard. Commit the folder; `python benchmark/run.py --suite <name>` then scores exactly these clips, anywhere.
"""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmark import suites
from vdpm.errors import UserError, run_command
from vdpm.files import replacing, sha256


@dataclass(frozen=True, kw_only=True)
class Config:
    """Freeze a folder of rendered shards into a suite that the repository carries."""

    folder: Path
    """Folder of rendered shards."""
    name: str
    """Name of the suite: letters, digits, '-' and '_'."""
    description: str
    """One sentence for listings and the leaderboard."""
    version: str = "1"
    """Raise it whenever a clip changes: scores of different versions are never compared."""


def freeze(config: Config) -> Path:
    """Write the suite and return its folder. Raises `UserError` when this version of it is already frozen."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", config.name):
        raise UserError(f"suite name {config.name!r}: only letters, digits, '-' and '_'")
    target = suites.FROZEN / config.name
    if (target / "suite.json").exists() and suites.find_suite(config.name).version == config.version:
        raise UserError(f"suite {config.name!r} version {config.version} is already frozen; raise --version")
    source = suites.find_suite(str(config.folder.resolve()))
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


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    target = freeze(config)
    megabytes = sum(file.stat().st_size for file in target.iterdir()) / 1e6
    print(f"{target}: {len(suites.find_suite(config.name).clips)} clips, {megabytes:.1f} MB")


if __name__ == "__main__":
    run_command(main)
