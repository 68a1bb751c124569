"""A folder of shards that grows: which clips it has, which are missing, and how finished ones become shards.

    OUT/dataset.json              the recipe; a folder holds clips of one recipe only
    OUT/clips/NAME.tar            clips that are finished and not yet in a shard
    OUT/FAMILY-000012.tar         a shard: clips 12 * CLIPS_PER_SHARD and following of a family, sorted
    OUT/FAMILY-000012.json        its manifest (sha256, bytes, clips)

Every file appears under its final name only when it is whole. What a shard holds follows from the clips' indices, so
runs may overlap, be interrupted, or ask for more later.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from generation.make import GENERATOR_VERSION, Recipe, clip_name
from vdpm.errors import UserError
from vdpm.files import replacing, sha256
from vdpm.storage import FORMAT_VERSION, read_members, write_shard

CLIPS_PER_SHARD = 250
Id = tuple[str, int]
"""A clip: its family and its index."""


class Dataset:
    """The clips of one recipe in a folder."""

    def __init__(self, folder: Path, recipe: Recipe):
        """Open or create the folder. Raises `UserError` if it cannot be written or holds clips of another recipe."""
        self.folder, self.recipe = folder, recipe
        self.staging = folder / "clips"
        try:
            self.staging.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write to {folder}: {error.strerror}; choose another --out") from error
        _claim(folder / "dataset.json", recipe)

    def staged(self, clip: Id) -> Path:
        """Where a finished clip waits for its shard."""
        return self.staging / f"{clip_name(*clip, self.recipe)}.tar"

    def missing(self, wanted: list[Id]) -> list[Id]:
        """Clips that are neither in a shard nor waiting for one."""
        have = {name for shard in _shards(wanted) for name in self._manifest(self._path(shard)).get("clips", [])}
        return [clip for clip in wanted if clip_name(*clip, self.recipe) not in have and not self.staged(clip).exists()]

    def pack(self, wanted: list[Id]) -> None:
        """Turn all finished clips of the shards of these into shards, joining what a shard already holds."""
        for family, shard in _shards(clip for clip in wanted if self.staged(clip).exists()):
            start = shard * CLIPS_PER_SHARD
            clips = [(family, index) for index in range(start, start + CLIPS_PER_SHARD)]
            new = {clip_name(*clip, self.recipe): path for clip in clips if (path := self.staged(clip)).exists()}
            self._join(self._path((family, shard)), new)

    def _join(self, shard: Path, new: dict[str, Path]) -> None:
        old = [name for name in self._manifest(shard).get("clips", []) if name not in new]
        write_shard(shard, _merge(shard if old else None, new))
        _write_manifest(shard, sorted([*old, *new]))
        for finished in new.values():
            finished.unlink()

    def _path(self, shard: Id) -> Path:
        return self.folder / f"{shard[0]}-{shard[1]:06d}.tar"

    def _manifest(self, shard: Path) -> dict[str, Any]:
        """What a shard holds; empty if it is not there.

        A shard is renamed into place before its manifest is written, so after a crash between the two the manifest is
        missing or describes the shard before: it is made again from the shard, which is whole or refused.
        """
        manifest = shard.with_suffix(".json")
        if not shard.exists():
            return {}
        facts = json.loads(manifest.read_text()) if manifest.exists() else {}
        if facts.get("bytes") == shard.stat().st_size:
            return facts
        return _write_manifest(shard, [name for name, _ in read_members(shard)])


def _shards(clips: Iterable[Id]) -> list[Id]:
    """The family and number of the shards that clips belong to."""
    return sorted({(family, index // CLIPS_PER_SHARD) for family, index in clips})


def _merge(old: Path | None, new: dict[str, Path]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Old and new clips in the order of their names, one in memory at a time."""
    waiting = sorted(new)
    for name, members in read_members(old) if old else ():
        while waiting and waiting[0] < name:
            yield from read_members(new[waiting.pop(0)])
        if name not in new:
            yield name, members
    for name in waiting:
        yield from read_members(new[name])


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
