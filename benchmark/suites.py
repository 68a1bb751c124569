"""Suites: the clips that a score is about.

A frozen suite is a folder `benchmark/frozen/<name>/` with shards and `suite.json`, which names the clips and holds the
SHA-256 of every shard. Any other folder of rendered shards is a suite as well, under the name of the folder.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vdpm.clip import Clip
from vdpm.errors import UserError, unknown
from vdpm.files import sha256
from vdpm.storage import decode, fingerprint, read_members

FROZEN = Path(__file__).parent / "frozen"
UNFROZEN_VERSION = "unfrozen"


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A list of clips, checked to be there."""

    name: str
    version: str
    description: str
    shards: tuple[Path, ...]
    clips: tuple[str, ...]
    """Names, in the order of the shards."""


def frozen_names() -> list[str]:
    """Names of all frozen suites, sorted."""
    return sorted(file.parent.name for file in FROZEN.glob("*/suite.json"))


def find_suite(name: str) -> Suite:
    """The frozen suite of a name, or the suite made of a folder of shards.

    Raises `UserError` when there is neither, when a frozen shard was altered, when a shard is truncated or foreign, or
    when two clips share a name.
    """
    if name in frozen_names():
        return _frozen(FROZEN / name)
    folder = Path(name)
    if not folder.is_dir():
        raise unknown("suite", name, [*frozen_names(), "a folder of rendered shards"], "render one with generation/")
    shards = tuple(sorted(folder.glob("*.tar")))
    if not shards:
        raise UserError(f"suite {name!r}: the folder holds no .tar shard; render some, or choose another folder")
    return Suite(
        name=folder.resolve().name,
        version=UNFROZEN_VERSION,
        description=f"The shards of a folder: {folder.name}.",
        shards=shards,
        clips=clip_names(shards),
    )


def clip_names(shards: tuple[Path, ...]) -> tuple[str, ...]:
    """Names of the clips of some shards, every byte of which is read. Raises `UserError` on a name used twice."""
    names = [name for shard in shards for name, _ in read_members(shard)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"clip {twice[0]!r} is there more than once in {shards[0].parent}; delete one of its shards")
    return tuple(names)


def _frozen(folder: Path) -> Suite:
    facts = json.loads((folder / "suite.json").read_text(encoding="utf-8"))
    for file, expected in facts["shards"].items():
        if not (folder / file).is_file() or sha256(folder / file) != expected:
            raise UserError(
                f"suite {folder.name!r}: shard {folder / file} is missing or was altered (its SHA-256 is not the one in "
                "suite.json); restore it with git"
            )
    return Suite(
        name=folder.name,
        version=facts["version"],
        description=facts["description"],
        shards=tuple(folder / file for file in facts["shards"]),
        clips=tuple(facts["clips"]),
    )


def read_suite(suite: Suite) -> Iterator[tuple[Clip, str]]:
    """The clips of a suite in order, each with the fingerprint that ties a prediction to what it was made from."""
    for shard in suite.shards:
        for name, members in read_members(shard):
            yield decode(name, members), fingerprint(members)
