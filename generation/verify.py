"""Read every byte of a dataset again, and say what is missing or damaged.

    python -m generation.verify data/train
    python -m generation.verify s3://bucket/train --repair

With --repair, clips that cannot be trusted are made again, those alone. Exit status 0 if all is well or was made so, 2 if not.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import cpu_count
from pathlib import Path
from typing import Annotated, Any

import tyro
from tqdm import tqdm

from generation import executing, families
from generation.dataset import Dataset, Id, clips_of, is_manifest, open_recipe, shard_name
from generation.jobs import Limits, Plan
from generation.make import clip_name
from generation.produce import produce
from vdpm.errors import UserError, run_command
from vdpm.files import sha256
from vdpm.storage import fingerprint, read_members, write_shard


@dataclass(frozen=True, kw_only=True)
class Config:
    """The command line."""

    out: Annotated[str, tyro.conf.Positional]
    """Folder or URL of a dataset."""
    repair: bool = False
    """Make again what is missing or damaged."""
    num: int | None = None
    """How many clips were asked for; clips beyond what the manifests list then count as missing too."""
    family: str = "kubric_f"
    """Scene families that were asked for, with --num."""
    staging: Path | None = None
    """As for generation/render.py."""
    workers: int = cpu_count() or 1
    """Processes that make clips."""
    executor: str = "local"
    """Where clips are made, as for generation/render.py."""
    address: str | None = None
    """Address of the cluster."""
    quiet: bool = False
    """No progress bars."""
    limits: Annotated[Limits, tyro.conf.arg(name="")] = field(default_factory=Limits)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong with a shard."""

    shard: Id
    reason: str
    clips: tuple[Id, ...]
    """Clips the shard should hold."""
    bad: tuple[Id, ...]
    """Those of them that are missing or damaged."""
    manifest: dict[str, Any]
    """What the shard should be; empty if that is not known."""


def shards_there(dataset: Dataset) -> list[Id]:
    """All shards of which there is a tar or a manifest."""
    stems = {name.rpartition(".")[0] for name in dataset.store.names() if is_manifest(name) or name.endswith(".tar")}
    split = [stem.rpartition("-") for stem in sorted(stems)]
    return [(family, int(number)) for family, _, number in split if number.isdecimal()]


def inspect(dataset: Dataset, shard: Id) -> Finding | None:
    """What is wrong with a shard; None if nothing is."""
    name = shard_name(shard)
    known = dataset.store.size(f"{name}.json") is not None
    manifest = json.loads(dataset.store.read(f"{name}.json")) if known else {}
    with fetched(dataset, shard) as path:
        sound = [clip for clip, _ in intact(path, manifest)] if path else []
        reason = _reason(path, manifest, sound)
    if reason is None:
        return None
    ids = {clip_name(*clip, dataset.recipe): clip for clip in clips_of(shard)}
    listed = manifest.get("clips", sound)
    bad = tuple(ids[clip] for clip in listed if clip not in sound)
    return Finding(shard=shard, reason=reason, clips=tuple(ids[clip] for clip in listed), bad=bad, manifest=manifest)


def _reason(path: Path | None, manifest: dict[str, Any], sound: list[str]) -> str | None:
    if path is None:
        return "its tar is missing"
    if not manifest:
        return "its manifest is missing"
    if sha256(path) == manifest["sha256"]:
        return None
    return f"{len(manifest['clips']) - len(sound)} of {len(manifest['clips'])} clips are damaged or missing"


def intact(path: Path, manifest: dict[str, Any]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The clips of a shard that are what its manifest says; all that can be read if there is none."""
    expected = manifest.get("fingerprints")
    try:
        for name, members in read_members(path):
            if expected is None or expected.get(name) == fingerprint(members):
                yield name, members
    except UserError:  # cut off or overwritten: what follows is lost
        return


@contextmanager
def fetched(dataset: Dataset, shard: Id) -> Iterator[Path | None]:
    """A shard on this machine for a while; None if it is not there."""
    name = f"{shard_name(shard)}.tar"
    with tempfile.TemporaryDirectory(dir=dataset.staging, prefix="verify-") as folder:
        yield None if dataset.store.size(name) is None else dataset.store.fetch(name, Path(folder))


def salvage(dataset: Dataset, finding: Finding) -> None:
    """Put the clips of a shard that are sound where finished clips wait, and forget the shard."""
    ids = {clip_name(*clip, dataset.recipe): clip for clip in finding.clips}
    for clip in finding.bad:
        dataset.staged(clip).unlink(missing_ok=True)
    with fetched(dataset, finding.shard) as path:
        for name, members in intact(path, finding.manifest) if path else ():
            write_shard(dataset.staged(ids[name]), [(name, members)])
    for name, draws in finding.manifest.get("substituted", {}).items():
        dataset.skipped[name] = tuple((int(attempt), reason) for attempt, reason in draws.items())
    dataset.distrusted.add(finding.shard)


def never_made(dataset: Dataset, config: Config) -> list[Id]:
    """Clips that were asked for with --num and are in no shard, finished or not."""
    wanted = families.mixture(config.family, range(config.num or 0))
    return dataset.missing(wanted)


def main(config: Config) -> None:
    """Look, tell, and repair if asked to."""
    executing.check(config.executor)
    dataset = Dataset(config.out, open_recipe(config.out), config.staging)
    shards = shards_there(dataset)
    found = [inspect(dataset, shard) for shard in tqdm(shards, unit="shard", disable=config.quiet)]
    findings = [finding for finding in found if finding is not None]
    for finding in findings:
        listed = ", ".join(clip_name(*clip, dataset.recipe) for clip in finding.bad[:8])
        print(f"{shard_name(finding.shard)}: {finding.reason}{': ' if listed else ''}{listed}")
    absent = never_made(dataset, config)
    if absent:
        print(f"{len(absent)} of {config.num} clips were never made, the first {clip_name(*absent[0], dataset.recipe)}")
    if not findings and not absent:
        print(f"{len(shards)} shards of {config.out}, nothing wrong")
    elif config.repair:
        repair(dataset, findings, absent, config)
    else:
        raise UserError(f"{len(findings)} of {len(shards)} shards of {config.out} are not well; --repair makes them so")
    dataset.index()


def repair(dataset: Dataset, findings: list[Finding], absent: list[Id], config: Config) -> None:
    """Make bad clips again and write their shards anew. Raises `UserError` if other bytes come out than there were."""
    for finding in findings:
        salvage(dataset, finding)
    wanted = [*(clip for finding in findings for clip in finding.clips), *absent]
    plan = Plan(workers=config.workers, limits=config.limits, address=config.address)
    try:
        produce(dataset, wanted, config.executor, plan, config.quiet)
    except SystemExit:  # substitutes are listed in the manifests, and were before
        pass
    for finding in findings:
        was, now = finding.manifest.get("sha256"), dataset.manifest(finding.shard)["sha256"]
        if was and was != now and not absent:
            raise UserError(
                f"{shard_name(finding.shard)} was made anew, but not with the bytes it had: this machine or its packages "
                "are not those it came from. Its clips are sound"
            )


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
