"""Data sets of others: where to get them, under which licence, what must lie where, and whether it does.

    python -m benchmark.data                                    all data sets, one line each
    python -m benchmark.data sintel                             how to get it
    python -m benchmark.data sintel --data-root DIR             verify: complete? the first sequence readable?
    python -m benchmark.data worldtrack:po_mini --data-root DIR --full      read everything, count queries

Nothing is downloaded. Exit status: 0 all is well; 2 something is missing, damaged or not the published number.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from vdpm import catalogue
from vdpm.errors import UserError, run_command
from vdpm.recording import Dataset, Recording, pixels_of_tracks


@dataclass(frozen=True, kw_only=True)
class Config:
    """Where data sets come from, what must lie where, and whether it does."""

    dataset: Annotated[str, tyro.conf.Positional] = ""
    """A data set, or one of its variants as in sintel:clean. None lists all."""
    data_root: Path | None = None
    """Folder of the data set, or of several data sets by name: it is verified."""
    full: bool = False
    """Read every sequence instead of the first, and count queries."""
    list: bool = False
    """List all data sets."""


def listing() -> str:
    """One line a data set: name, what there is truth for, title, variants."""
    facts = {name: catalogue.find(name)[0] for name in catalogue.dataset_names()}
    width = max(map(len, facts)) + 2
    return "\n".join(f"{name:<{width}}{dataset.title}. Variants: {', '.join(dataset.variants)}"
                     for name, dataset in facts.items())  # fmt: skip


def card(name: str) -> str:
    """All that is known of a data set before it is there."""
    dataset, chosen = catalogue.find(name)
    variants = [f"{_name(name, v)}: {line}{_expected(dataset, v)}" for v, line in dataset.variants.items()]
    rows = [
        dataset.title,
        f"  licence   {dataset.licence}",
        f"  source    {dataset.source}",
        "  variants  " + "\n            ".join(variants),
        "  below --data-root, or below a folder of it named " + name.partition(":")[0] + ":",
        textwrap.indent(dataset.tree, "    "),
        f"  verify with  python -m benchmark.data {_name(name, chosen)} --data-root DIR",
    ]
    return "\n".join(rows)


def _name(name: str, variant: str) -> str:
    return f"{name.partition(':')[0]}:{variant}"


def _expected(dataset: Dataset, variant: str) -> str:
    counts = [(_either(dataset.sequences.get(variant)), "sequences"), (dataset.queries.get(variant), "queries")]
    told = [f"{count} {what}" for count, what in counts if count]
    return f" ({', '.join(told)})" if told else ""


def _either(counts: tuple[int, ...] | None) -> str:
    return " or ".join(map(str, counts or ()))


def verify(name: str, root: Path, full: bool) -> list[str]:
    """What is wrong with a folder, one line each; prints what is there. Raises `UserError` when nothing is."""
    dataset, variant = catalogue.find(name)
    sequences = catalogue.sequences(name, root)
    print(f"{len(sequences)} sequences of {_name(name, variant)}{_expected(dataset, variant)}")
    wrong = []
    if (expected := dataset.sequences.get(variant)) and len(sequences) not in expected:
        wrong.append(f"{len(sequences)} sequences, {_either(expected)} are published")
    queries = 0
    for recording in _read(name, root, sequences if full else sequences[:1], wrong):
        queries += seen_first(recording)
        tqdm.write(described(recording))
    if full and (expected := dataset.queries.get(variant)) and expected != queries:
        wrong.append(f"{queries} points seen in the first frames, {expected} are published")
    return wrong


def _read(name: str, root: Path, sequences: list[str], wrong: list[str]) -> Iterator[Recording]:
    """Sequences that can be read; what is wrong with the others is added to the list."""
    for sequence in tqdm(sequences, unit="sequence", disable=None if len(sequences) > 1 else True):
        try:
            yield catalogue.read(name, root, sequence)
        except UserError as error:
            wrong.append(str(error))


def seen_first(recording: Recording) -> int:
    """How many points the first frame sees, those that share a pixel included."""
    if "points" not in recording.known or recording.tracks is None:
        return 0
    return len(pixels_of_tracks(recording, 0, all_of_a_pixel=True)[0])


def described(recording: Recording) -> str:
    """One line on what a recording holds."""
    frames, height, width = recording.rgb.shape[:3]
    parts = [f"{recording.name}: {frames} frames of {width}x{height}"]
    if recording.depth is not None:
        known = recording.depth[recording.depth > 0]
        span = f", {known.min():.2f}-{known.max():.2f} m" if len(known) else ""
        parts.append(f"depth on {len(known) / recording.depth.size:.0%}{span}")
    if recording.tracks is not None:
        visible = recording.tracks.visible
        parts.append(f"{visible.shape[1]} tracks, {visible.mean():.0%} visible, {seen_first(recording)} in frame 0")
    parts.append("cameras" if recording.world_from_camera is not None else "no cameras")
    return "; ".join(parts)


def main(config: Config) -> None:
    """List, explain or verify. Raises `UserError` with the first of what is wrong, when all has been said."""
    if config.list or not config.dataset:
        print(listing())
    elif config.data_root is None:
        print(card(config.dataset))
    else:
        wrong = verify(config.dataset, config.data_root, config.full)
        print("\n".join(f"wrong: {line}" for line in wrong) or "all is well")
        if wrong:
            raise UserError(f"{len(wrong)} things are wrong with {config.dataset} in {config.data_root}: {wrong[0]}")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))))
