"""A folder of shards that grows: which clips it has, which are missing, and how finished ones become shards.

    OUT/dataset.json              the recipe; a folder holds clips of one recipe only
    OUT/clips/NAME.tar            clips that are finished and not yet in a shard
    OUT/FAMILY-000012.tar         a shard: clips 12 * CLIPS_PER_SHARD and following, sorted
    OUT/FAMILY-000012.json        its manifest (sha256, bytes, clips)

Every file appears under its final name only when it is whole. What a shard holds follows from the clips' indices, so
runs may overlap, be interrupted, or ask for more later.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from generation.make import GENERATOR_VERSION, Recipe, clip_name
from vdpm.errors import UserError
from vdpm.files import replacing, sha256
from vdpm.storage import FORMAT_VERSION, read_members, write_shard

CLIPS_PER_SHARD = 250


class Dataset:
    """The clips of one family and recipe in a folder."""

    def __init__(self, folder: Path, family: str, recipe: Recipe):
        """Open or create the folder. Raises `UserError` if it cannot be written or holds clips of another recipe."""
        self.folder, self.family, self.recipe = folder, family, recipe
        self.staging = folder / "clips"
        try:
            self.staging.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write to {folder}: {error.strerror}; choose another --out") from error
        _claim(folder / "dataset.json", recipe)

    def staged(self, index: int) -> Path:
        """Where a finished clip waits for its shard."""
        return self.staging / f"{clip_name(self.family, self.recipe, index)}.tar"

    def missing(self, wanted: range) -> list[int]:
        """Indices that are neither in a shard nor waiting for one."""
        shards = {index // CLIPS_PER_SHARD for index in wanted}
        have = {name for shard in shards for name in self._manifest(shard).get("clips", [])}
        return [
            index
            for index in wanted
            if clip_name(self.family, self.recipe, index) not in have and not self.staged(index).exists()
        ]

    def pack(self, wanted: range) -> list[Path]:
        """Turn all finished clips of these indices into shards, joining what a shard already holds; the changed shards."""
        shards = sorted({index // CLIPS_PER_SHARD for index in wanted if self.staged(index).exists()})
        return [self._pack(shard) for shard in shards]

    def _pack(self, shard: int) -> Path:
        start = shard * CLIPS_PER_SHARD
        path = self._shard(shard)
        new = {
            clip_name(self.family, self.recipe, index): self.staged(index)
            for index in range(start, start + CLIPS_PER_SHARD)
            if self.staged(index).exists()
        }
        old = [name for name in self._manifest(shard).get("clips", []) if name not in new]
        names = sorted([*old, *new])
        write_shard(path, self._merge(path if old else None, new))
        _write_manifest(path, names)
        for finished in new.values():
            finished.unlink()
        return path

    def _merge(self, old: Path | None, new: dict[str, Path]) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Old and new clips in the order of their names, one in memory at a time."""
        waiting = sorted(new)
        for name, members in read_members(old) if old else ():
            while waiting and waiting[0] < name:
                yield from read_members(new[waiting.pop(0)])
            if name not in new:
                yield name, members
        for name in waiting:
            yield from read_members(new[name])

    def _shard(self, shard: int) -> Path:
        return self.folder / f"{self.family}-{shard:06d}.tar"

    def _manifest(self, shard: int) -> dict[str, Any]:
        """What a shard holds; empty if it is not there.

        A shard is renamed into place before its manifest is written, so after a crash between the two the manifest is
        missing or describes the shard before: it is made again from the shard, which is whole or refused.
        """
        path = self._shard(shard)
        manifest = path.with_suffix(".json")
        if not path.exists():
            return {}
        facts = json.loads(manifest.read_text()) if manifest.exists() else {}
        if facts.get("bytes") == path.stat().st_size:
            return facts
        return _write_manifest(path, [name for name, _ in read_members(path)])


def _write_manifest(shard: Path, clips: list[str]) -> dict[str, Any]:
    manifest = {"shard": shard.name, "sha256": sha256(shard), "bytes": shard.stat().st_size, "clips": clips}
    _write_json(shard.with_suffix(".json"), manifest)
    return manifest


def _claim(path: Path, recipe: Recipe) -> None:
    """Write the recipe into a new folder, or compare it with the one that is there."""
    mine = {"format_version": FORMAT_VERSION, "generator_version": GENERATOR_VERSION, **asdict(recipe)}
    mine = json.loads(json.dumps(mine))
    if not path.exists():
        _write_json(path, mine)
        return
    theirs = json.loads(path.read_text())
    different = [f"{key} {theirs.get(key)} not {mine[key]}" for key in mine if theirs.get(key) != mine[key]]
    if different:
        raise UserError(
            f"{path.parent} holds clips with {', '.join(different)}; choose another --out or the same values"
        )


def _write_json(path: Path, value: dict[str, Any]) -> None:
    with replacing(path) as file:
        file.write(json.dumps(value, indent=1).encode())
