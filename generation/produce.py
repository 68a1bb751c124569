"""The use case behind `render.py` and `verify.py --repair`: make what is missing, and pack it into shards."""

import sys
from collections import Counter

from tqdm import tqdm

from generation import executing
from generation.dataset import Dataset, Id, shard_of
from generation.jobs import Plan
from generation.progress import Progress, reasons
from generation.store import Folder
from vdpm.errors import UserError

SUBSTITUTED_STATUS = 3
"""Exit status of a run that made every clip, but some from a later draw than the checks alone would have taken."""
FAILED_IN_A_ROW = 20
"""Clips that may fail one after the other before a run stops: then it is not the scenes."""


def produce(
    dataset: Dataset, wanted: list[Id], executor: str, plan: Plan, quiet: bool = False, status: str = "status.json"
) -> None:
    """Make the missing clips, pack them as shards get complete, and what there is when interrupted; say how it ended.

    Raises:
        UserError: not all clips are there; the others are safe.
        SystemExit: with `SUBSTITUTED_STATUS`, see there.
    """
    missing = dataset.missing(wanted)
    with Progress(dataset.store, status, len(wanted), len(wanted) - len(missing), quiet) as progress:
        try:
            _make(dataset, wanted, missing, executor, plan, progress)
        finally:
            dataset.pack(wanted)
            dataset.index()
        _report(dataset, wanted, progress)


def _make(dataset: Dataset, wanted: list[Id], missing: list[Id], executor: str, plan: Plan, progress: Progress) -> None:
    jobs = [dataset.job(clip) for clip in missing]
    unfinished = Counter(shard_of(clip) for clip in missing)
    failed_in_a_row = 0
    dataset.room(plan.limits.reserve)
    for outcome in executing.load(executor)(jobs, plan) if jobs else ():
        progress.tell(outcome)
        failed_in_a_row = failed_in_a_row + 1 if outcome.failure else 0
        if failed_in_a_row == FAILED_IN_A_ROW:
            raise UserError(f"{failed_in_a_row} clips in a row failed; the last, {progress.failures[-1]}")
        shard = shard_of((outcome.job.family, outcome.job.index))
        unfinished[shard] -= 1
        if not unfinished[shard]:
            _pack(dataset, [clip for clip in wanted if shard_of(clip) == shard])
        dataset.room(plan.limits.reserve)


def _pack(dataset: Dataset, clips: list[Id]) -> None:
    """A store elsewhere that refuses a shard now may take it at the end of the run: until then its clips wait here."""
    try:
        dataset.pack(clips)
    except UserError as error:
        if isinstance(dataset.store, Folder):
            raise
        tqdm.write(f"for now: {error}", file=sys.stderr)


def _report(dataset: Dataset, wanted: list[Id], progress: Progress) -> None:
    """Say what there is now. Failed clips are a `UserError` at the very end, when all others are safe."""
    substituted = dataset.substituted(wanted)
    also = f"; {reasons(substituted)}" if substituted else ""
    if progress.failures:
        listed = "; ".join(progress.failures[:3])
        raise UserError(
            f"{progress.failed} of {len(wanted)} clips failed ({listed}); the others are kept in {dataset.store}, "
            f"the same command tries these again{also}"
        )
    print(f"{len(wanted)} of {len(wanted)} clips are in {dataset.store}{also}")
    if substituted:
        sys.exit(SUBSTITUTED_STATUS)
