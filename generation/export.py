"""Write clips in the layouts that other people's loaders read.

    python -m generation.export data/train/*.tar --to tapvid3d --out data/tapvid3d

Layouts are files of generation/exports/, whose first lines say what they hold. The folder appears when all of it is
written; after an interruption the same command goes on. What is drawn at random (tracks) depends on --seed and the name of
the clip alone.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import tyro
from tqdm import tqdm

import generation.exports
from vdpm.clip import Clip
from vdpm.errors import UserError, run_command, unknown
from vdpm.storage import decode, read_members

Write = Callable[[Clip, Path, np.random.Generator], None]
NOTES = "export.json"
"""In the unfinished folder: what is written into it, and which clips are done."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Write clips in the layouts that other people's loaders read."""

    shards: tyro.conf.Positional[tuple[Path, ...]]
    """Shards to read."""
    to: str
    """Layout: movi, tapvid3d, pointodyssey or kitti."""
    out: Path
    """Folder to make. It must not be there."""
    seed: int = 0
    """Seed of the points that are tracked, where a layout has tracks."""


def layouts() -> list[str]:
    """Names of all layouts, sorted."""
    return sorted(file.stem for folder in generation.exports.__path__ for file in Path(folder).glob("[!_]*.py"))


def find_layout(name: str) -> Write:
    """How a layout is written."""
    if name not in layouts():
        raise unknown("layout", name, layouts(), "add one as generation/exports/<name>.py")
    return import_module(f"generation.exports.{name}").write


def main(config: Config) -> None:
    """Write all clips. Raises `UserError` when some could not be written in this layout, after all others are."""
    write = find_layout(config.to)
    if config.out.exists():
        raise UserError(
            f"--out {config.out} is there already; nothing is overwritten: delete it or name another folder"
        )
    part = config.out.with_name(config.out.name + ".part")
    notes = _resume(part, {"to": config.to, "seed": config.seed})
    _write_all(config, write, part, notes)
    (part / NOTES).unlink()
    part.replace(config.out)
    done, refused = notes["done"], notes["refused"]
    print(f"{len(done)} clips in {config.out}")
    if refused:
        raise UserError(f"{len(refused)} clips were left out: {next(iter(refused.values()))}")


def _resume(part: Path, asked: dict[str, object]) -> dict:
    """The notes of an unfinished folder that was asked for in the same words, or new ones."""
    if not (part / NOTES).is_file():
        part.mkdir(parents=True, exist_ok=True)
        return {"asked": asked, "done": [], "refused": {}}
    notes = json.loads((part / NOTES).read_text(encoding="utf-8"))
    if notes["asked"] != asked:
        raise UserError(f"{part} was begun with {notes['asked']}, not {asked}; delete it or name another --out")
    return notes


def _write_all(config: Config, write: Write, part: Path, notes: dict) -> None:
    """Write what is not there yet, noting each clip when it is whole."""
    with tqdm(total=len(names(config.shards)), unit="clip", desc=f"to {config.to}", disable=None) as bar:
        for name, members in (clip for shard in config.shards for clip in read_members(shard)):
            if name not in notes["done"] and name not in notes["refused"]:
                try:
                    write(decode(name, members), part, random(config.seed, name))
                    notes["done"].append(name)
                except UserError as error:
                    notes["refused"][name] = str(error)
                except OSError as error:
                    raise UserError(
                        f"cannot write below {part}: {error.strerror or error}; what is done is kept"
                    ) from error
                _note(part, notes)
            bar.update()


def names(shards: tuple[Path, ...]) -> list[str]:
    """Of all clips. Raises `UserError` when a shard is damaged, two clips share a name, or there is none."""
    found = [name for shard in shards for name, _ in read_members(shard)]
    if twice := [name for name, count in Counter(found).items() if count > 1]:
        raise UserError(f"clip {twice[0]!r} is there more than once; name each shard once")
    if not found:
        raise UserError("no shard was named: python -m generation.export data/train/*.tar --to ... --out ...")
    return found


def _note(part: Path, notes: dict) -> None:
    file = part / f"{NOTES}.new"
    file.write_text(json.dumps(notes), encoding="utf-8")
    file.replace(part / NOTES)


def random(seed: int, name: str) -> np.random.Generator:
    """Draws that depend on a seed and the name of a clip alone."""
    return np.random.default_rng([seed, *hashlib.sha256(name.encode()).digest()[:8]])


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
