"""Models of one's own: a folder of GLB, OBJ or PLY files, or the asset manifests of Kubric.

    models/chair.glb        beside chair.json with {"licence": "CC-BY-4.0"}, or a file LICENCE for the whole folder
    GSO.json                a manifest: its archives are copied from `data_dir`, a folder or any fsspec URL, once

Nothing is used without a licence. A lock file beside the folder or the manifest holds the SHA-256 of everything at its
first use; what has changed since is refused.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from generation.manifest import archived, is_manifest
from vdpm.errors import UserError
from vdpm.files import replacing, sha256

MODELS = (".glb", ".gltf", ".obj", ".ply", ".stl")
LICENCE_FILES = ("LICENCE", "LICENSE", "LICENCE.txt", "LICENSE.txt", "LICENCE.md", "LICENSE.md")
LOCK = "assets.lock.json"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A model or an environment map as a file."""

    id: str
    licence: str
    file: Path
    """A model file, or an archive of Kubric's."""
    kind: Literal["thing", "light"] = "thing"
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Library:
    """What `--assets` names."""

    things: tuple[Entry, ...]
    lights: tuple[Entry, ...]
    """Environment maps; if there are none, those that come with Blender are used."""


@cache
def open_library(names: str) -> Library:
    """Folders and manifests, separated by commas, all licensed and all as the lock files say.

    Raises:
        UserError: something is not there, has no licence, or is not what it was.
    """
    entries = [entry for name in names.split(",") for entry in _locked(name.strip())]
    ids = [entry.id for entry in entries]
    if repeated := sorted({name for name in ids if ids.count(name) > 1}):
        raise UserError(f"--assets {names}: {repeated[0]!r} is there twice; rename one")
    things = tuple(entry for entry in entries if entry.kind == "thing")
    return Library(things=things, lights=tuple(entry for entry in entries if entry.kind == "light"))


def _locked(name: str) -> list[Entry]:
    """The entries of one folder or manifest with their hashes, compared with the lock file or written into a new one."""
    if is_manifest(name):
        found, lock = archived(name)
        entries = [Entry(**facts) for facts in found]
    else:
        entries, lock = list(_folder(Path(name))), Path(name) / LOCK
    known: dict[str, dict[str, str]] = json.loads(lock.read_text()) if lock.exists() else {}
    entries = [_hashed(entry) for entry in entries]
    for entry in entries:
        if (before := known.get(entry.id)) and before["sha256"] != entry.sha256:
            raise UserError(
                f"{entry.file} is not the file that {lock} knows: bring it back, or delete its line there to accept it"
            )
    wanted = known | {entry.id: {"sha256": entry.sha256, "licence": entry.licence} for entry in entries}
    if wanted != known:
        with replacing(lock) as file:
            file.write(json.dumps(wanted, indent=1, sort_keys=True).encode())
    return entries


def _hashed(entry: Entry) -> Entry:
    """A text format names other files, its materials and pictures, which count as well."""
    digest = hashlib.sha256(sha256(entry.file).encode())
    for beside in sorted(entry.file.parent.glob(f"{entry.file.stem}.*")):
        if beside != entry.file and beside.suffix not in (".json", ".part"):
            digest.update(sha256(beside).encode())
    return Entry(**{**vars(entry), "sha256": digest.hexdigest()})


def _folder(folder: Path) -> Iterator[Entry]:
    """The models of a folder and those below it, sorted."""
    if not folder.is_dir():
        raise UserError(
            f"--assets {folder}: no such folder and no .json manifest; give a folder of GLB, OBJ or PLY files"
        )
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in MODELS)
    if not files:
        raise UserError(f"--assets {folder}: no model in it; it takes {', '.join(MODELS)}")
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix()
        yield Entry(id=f"own/{name}", licence=_licence(file, folder), file=file)


def _licence(file: Path, folder: Path) -> str:
    """Of a sidecar, else of the nearest licence file from the model's folder up to the library's."""
    sidecar = file.with_suffix(".json")
    if sidecar.exists():
        facts = _json(sidecar)
        if isinstance(facts, dict) and (licence := facts.get("licence") or facts.get("license")):
            return str(licence)
    for place in (file.parent, *file.parent.parents):
        for name in LICENCE_FILES:
            if (place / name).is_file() and (
                lines := (place / name).read_text(errors="replace").split("\n")[0].strip()
            ):
                return lines
        if place == folder:
            break
    raise UserError(
        f'{file} has no licence: write {sidecar.name} beside it with {{"licence": "..."}}, '
        f"or a file LICENCE into {folder} whose first line names it"
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from error
