"""A folder of shards that grows: which clips it has, which are missing, and how finished ones become shards.

    OUT/dataset.json              the recipe; a folder holds clips of one recipe only
    OUT/FAMILY-000012.tar         a shard: clips 12 * CLIPS_PER_SHARD and following of a family, sorted
    OUT/FAMILY-000012.json        its manifest, written after it: a shard without one is not finished
    OUT/wids.json                 the shards, as the reader `wids` wants them listed
    OUT/clips/NAME.tar            clips that are finished and not yet in a shard, on this machine

What a shard holds follows from the recipe and the numbers of its clips alone. So any machine can make any shard, and runs
may overlap, be interrupted, or ask for more later. Every file appears under its final name only when it is whole.
"""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from generation.jobs import Job
from generation.make import GENERATOR_VERSION, Recipe, clip_name
from generation.store import Folder, open_store
from vdpm.errors import UserError
from vdpm.files import sha256
from vdpm.storage import FORMAT_VERSION, fingerprint, read_members, write_shard

CLIPS_PER_SHARD = 250
Id = tuple[str, int]
"""A clip: its family and its index. A shard: its family and its number."""
RECIPE, INDEX = "dataset.json", "wids.json"


class Dataset:
    """The clips of one recipe in a folder or an object store."""

    def __init__(self, out: str, recipe: Recipe, staging: Path | None = None):
        """Open or create it. Raises `UserError` if it cannot be written or holds clips of another recipe."""
        self.store, self.recipe = open_store(out), recipe
        self.staging = staging or default_staging(out)
        try:
            self.staging.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write to {self.staging}: {error.strerror}; choose another --out") from error
        self.configuration = self._claim()
        self.distrusted: set[Id] = set()
        """Shards to be written anew, as if they were not there."""
        self.skipped: dict[str, tuple[tuple[int, str], ...]] = {}
        """Draws that clips to be made again did without."""

    def staged(self, clip: Id) -> Path:
        """Where a finished clip waits for its shard."""
        return self.staging / f"{clip_name(*clip, self.recipe)}.tar"

    def missing(self, wanted: list[Id]) -> list[Id]:
        """Clips that are neither in a shard nor waiting for one."""
        have = {name for shard in shards_of(wanted) for name in self.manifest(shard).get("clips", [])}
        return [clip for clip in wanted if clip_name(*clip, self.recipe) not in have and not self.staged(clip).exists()]

    def job(self, clip: Id) -> Job:
        """What makes a clip."""
        family, index = clip
        skipped = self.skipped.get(clip_name(family, index, self.recipe), ())
        return Job(family=family, index=index, recipe=self.recipe, path=self.staged(clip), skipped=skipped)

    def substituted(self, wanted: list[Id]) -> Counter[str]:
        """Why scenes of these clips had to be replaced by the next draw, and how often. Clips not in a shard count not."""
        found = [self.manifest(shard).get("substituted", {}) for shard in shards_of(wanted)]
        names = {clip_name(*clip, self.recipe) for clip in wanted}
        drawn = [reasons for shard in found for name, reasons in shard.items() if name in names]
        return Counter(why for reasons in drawn for why in reasons.values())

    def pack(self, clips: Iterable[Id]) -> None:
        """Turn all finished clips of the shards of these into shards, joining what a shard already holds."""
        for shard in shards_of(clip for clip in clips if self.staged(clip).exists()):
            new = {
                clip_name(*clip, self.recipe): path for clip in clips_of(shard) if (path := self.staged(clip)).exists()
            }
            self._join(shard, new)

    def index(self) -> None:
        """List all shards for `wids`."""
        manifests = [json.loads(self.store.read(name)) for name in self.store.names() if is_manifest(name)]
        listed = [
            {"url": facts["shard"], "nsamples": len(facts["clips"]), "filesize": facts["bytes"]} for facts in manifests
        ]
        index = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "name": "open4d", "shardlist": listed}
        self.store.write(INDEX, _json(index))

    def manifest(self, shard: Id) -> dict[str, Any]:
        """What a shard holds; empty if it is not there.

        A shard is put in place before its manifest, so after a crash between the two the manifest is missing or speaks of
        the shard before: it is made again from the shard, which is whole or refused.
        """
        name = shard_name(shard)
        size = self.store.size(f"{name}.tar")
        if size is None or shard in self.distrusted:
            return {}
        known = self.store.size(f"{name}.json") is not None
        facts = json.loads(self.store.read(f"{name}.json")) if known else {}
        if facts.get("bytes") == size:
            return facts
        path = self.store.fetch(f"{name}.tar", self._scratch())
        return self._declare(shard, self.describe(path))

    def describe(self, path: Path) -> dict[str, Any]:
        """The manifest of a shard on this machine, from its bytes alone. Raises `UserError` if it is damaged."""
        clips = [(name, fingerprint(members), json.loads(members["meta.json"])) for name, members in read_members(path)]
        return {
            "shard": path.name,
            "sha256": sha256(path),
            "bytes": path.stat().st_size,
            "configuration": self.configuration,
            "clips": [name for name, _, _ in clips],
            "fingerprints": {name: digest for name, digest, _ in clips},
            "substituted": {name: why for name, _, meta in clips if (why := meta.get("substituted"))},
        }

    def room(self, reserve_mb: float) -> None:
        """Raises `UserError` when the disk has no more room than joining what waits needs, and a reserve."""
        waiting = sum(path.stat().st_size for path in self.staging.glob("*.tar"))
        free = shutil.disk_usage(self.staging).free
        if free < waiting + reserve_mb * 1_000_000:
            raise UserError(
                f"{free / 1e6:.0f} MB are free at {self.staging}: joining shards needs {waiting / 1e6:.0f} and --reserve "
                f"keeps {reserve_mb:g}; free some space, what was finished is kept"
            )

    def _join(self, shard: Id, new: dict[str, Path]) -> None:
        name = f"{shard_name(shard)}.tar"
        old = [clip for clip in self.manifest(shard).get("clips", []) if clip not in new]
        path = self._scratch() / f"new-{name}" / name
        write_shard(path, _merge(self.store.fetch(name, self._scratch()) if old else None, new))
        facts = self.describe(path)
        if not isinstance(self.store, Folder):  # readers elsewhere would meet the new shard with the old manifest
            self.store.remove(f"{shard_name(shard)}.json")
        self.store.put(path, name)
        self._declare(shard, facts)
        self.distrusted.discard(shard)
        shutil.rmtree(self._scratch())
        for finished in new.values():
            finished.unlink()

    def _declare(self, shard: Id, facts: dict[str, Any]) -> dict[str, Any]:
        self.store.write(f"{shard_name(shard)}.json", _json(facts))
        return facts

    def _scratch(self) -> Path:
        folder = self.staging / "joining"
        folder.mkdir(exist_ok=True)
        return folder

    def _claim(self) -> str:
        """Write the recipe into a new folder, or compare it with the one that is there. The hash of the recipe."""
        mine = {"format_version": FORMAT_VERSION, "generator_version": GENERATOR_VERSION, **self.recipe.facts()}
        mine = json.loads(json.dumps(mine))
        if self.store.size(RECIPE) is None:
            self.store.write(RECIPE, _json(mine))
        theirs = json.loads(self.store.read(RECIPE))
        keys = [*mine, *(key for key in theirs if key not in mine)]
        different = [f"{key} {theirs.get(key)} not {mine.get(key)}" for key in keys if theirs.get(key) != mine.get(key)]
        if different:
            raise UserError(
                f"{self.store} holds clips with {', '.join(different)}; choose another --out or the same values"
            )
        return configuration_hash(mine)


def open_recipe(out: str) -> Recipe:
    """The recipe of a dataset that is there. Raises `UserError` if there is none, or one of another version."""
    store = open_store(out)
    if store.size(RECIPE) is None:
        raise UserError(f"{out} holds no {RECIPE}: not a folder of generation/render.py")
    facts = json.loads(store.read(RECIPE))
    versions = (facts.pop("format_version", None), facts.pop("generator_version", None))
    if versions != (FORMAT_VERSION, GENERATOR_VERSION):
        raise UserError(
            f"{out} was made by format and generator {versions}, this is {(FORMAT_VERSION, GENERATOR_VERSION)}: "
            "use the code that made it"
        )
    return Recipe(**{**facts, "resolution": tuple(facts["resolution"])})


def configuration_hash(facts: dict[str, Any]) -> str:
    """SHA-256 of all that decides the bytes of a clip of given family and number."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def default_staging(out: str) -> Path:
    """Where clips wait for their shard: next to the shards, or for an object store in this user's cache."""
    if "://" not in out:
        return Path(out) / "clips"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "open4d" / hashlib.sha256(out.encode()).hexdigest()[:16]


def shard_of(clip: Id) -> Id:
    """The shard that a clip belongs to."""
    return clip[0], clip[1] // CLIPS_PER_SHARD


def shards_of(clips: Iterable[Id]) -> list[Id]:
    """The shards that clips belong to, sorted."""
    return sorted({shard_of(clip) for clip in clips})


def clips_of(shard: Id) -> list[Id]:
    """All clips that a shard may hold."""
    family, number = shard
    return [(family, index) for index in range(number * CLIPS_PER_SHARD, (number + 1) * CLIPS_PER_SHARD)]


def shard_name(shard: Id) -> str:
    """FAMILY-000012."""
    return f"{shard[0]}-{shard[1]:06d}"


def is_manifest(name: str) -> bool:
    """Whether a file of a dataset is the manifest of a shard."""
    family, _, number = name.removesuffix(".json").rpartition("-")
    return name.endswith(".json") and bool(family) and len(number) == 6 and number.isdecimal()


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


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=1).encode()
