"""Suites: the clips that a score is about.

A frozen suite is a folder `benchmark/frozen/<name>/` with shards and `suite.json`, which names the clips and holds the
SHA-256 of every shard, or a list of clips that are rendered here (`benchmark.listed`). Any other folder of rendered shards is a suite as well, under the name of the folder. So is a data
set of others (`vdpm/readers/`), as `sintel` or `sintel:clean`, below the folder that --data-root names.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import listed
from benchmark.tasks import Scene
from benchmark.tasks import fingerprint as recorded_fingerprint
from vdpm import catalogue
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
    dataset: str = ""
    """The data set whose sequences these are, as dataset:variant; then there are no shards."""
    root: Path = Path()
    """Where that data set lies."""


def frozen_names() -> list[str]:
    """Names of all frozen suites, sorted."""
    return sorted(file.parent.name for file in FROZEN.glob("*/suite.json"))


def find_suite(name: str, data_root: Path | None = None) -> Suite:
    """The frozen suite of a name, the suite made of a data set, or that of a folder of shards.

    Raises `UserError` when there is none, when a frozen shard was altered, when a shard is truncated or foreign, when two
    clips share a name, or when nothing of a data set lies below the data root.
    """
    if name in frozen_names():
        return _frozen(FROZEN / name)
    if data_root is not None or (name.partition(":")[0] in catalogue.dataset_names() and not Path(name).is_dir()):
        return _recorded(name, data_root)
    folder = Path(name)
    if not folder.is_dir():
        known = [*frozen_names(), "a folder of rendered shards", "a data set of benchmark.data with --data-root"]
        raise unknown("suite", name, known, "render one with generation/")
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


def _recorded(name: str, data_root: Path | None) -> Suite:
    """The sequences of a data set that are there."""
    dataset, variant = catalogue.find(name)
    stem = name.partition(":")[0]
    if data_root is None:
        raise UserError(f"suite {name!r} needs --data-root DIR; python -m benchmark.data {name} says what to put there")
    sequences = catalogue.sequences(name, data_root)
    return Suite(
        name=f"{stem}-{variant}",
        version=f"reading {dataset.reading}",
        description=f"{dataset.title}: {dataset.variants[variant]}.",
        shards=(),
        clips=tuple(catalogue.recording_name(name, sequence) for sequence in sequences),
        dataset=f"{stem}:{variant}",
        root=data_root,
    )


def clip_names(shards: tuple[Path, ...]) -> tuple[str, ...]:
    """Names of the clips of some shards, every byte of which is read. Raises `UserError` on a name used twice."""
    names = [name for shard in shards for name, _ in read_members(shard)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"clip {twice[0]!r} is there more than once in {shards[0].parent}; delete one of its shards")
    return tuple(names)


def facts(name: str) -> dict[str, Any]:
    """What suite.json of a frozen suite says."""
    return json.loads((FROZEN / name / "suite.json").read_text(encoding="utf-8"))


def _frozen(folder: Path) -> Suite:
    facts = json.loads((folder / "suite.json").read_text(encoding="utf-8"))
    if "recipe" in facts:
        shards, clips = listed.opened(folder, facts), tuple(facts["clips"])
        return Suite(
            name=folder.name, version=facts["version"], description=facts["description"], shards=shards, clips=clips
        )
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


def read_suite(suite: Suite) -> Iterator[tuple[Scene, str]]:
    """The clips of a suite in order, each with the fingerprint that ties a prediction to what it was made from."""
    if suite.dataset:
        for recording in catalogue.load(suite.dataset, suite.root):
            yield recording, recorded_fingerprint(recording)
    for shard in suite.shards:
        for name, members in read_members(shard):
            yield decode(name, members), fingerprint(members)
