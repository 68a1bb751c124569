"""Kubric's asset manifests: JSON that lists archives in a bucket, a mirror of it, or the folder that it lies in.

The archives (ID.tar.gz with data.json, object.urdf, visual_geometry.obj or .glb, collision_geometry.obj) are copied once;
from then on nothing asks for the bucket, which has been closed to the public for months at a time.
"""

import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vdpm.errors import UserError
from vdpm.files import replacing

TYPES = {"FileBasedObject": "thing", "Texture": "light"}
VISUALS = ("visual_geometry.glb", "visual_geometry.gltf", "visual_geometry.obj")
COLLISION = "collision_geometry.obj"
PICTURES = (".hdr", ".exr")


class UnreadableAsset(UserError):
    """Its file is damaged or not what its name says. Another asset may do."""


def cache_folder() -> Path:
    """Where copies and what is made of them are kept."""
    home = os.environ.get("OPEN4D_CACHE") or Path.home() / ".cache" / "open4d"
    return Path(home) / "assets"


def is_manifest(name: str) -> bool:
    """Whether an argument names a manifest, not a folder."""
    return name.endswith(".json")


def archived(name: str) -> tuple[list[dict[str, Any]], Path]:
    """The fields of the `Entry` of each asset of a manifest, all copied to this machine, and where its lock file lies.

    Raises:
        UserError: the manifest or an archive is not to be had, or an asset has no licence.
    """
    manifest = _read(name)
    local = Path(name).exists()
    copies = cache_folder() / hashlib.sha256(name.encode()).hexdigest()[:16]
    source = str(manifest.get("data_dir") or name.rpartition("/")[0] or ".")
    if local and not (Path(name).parent / source).is_dir() and (mirror := _mirror(Path(name), manifest)):
        source = str(mirror)
    label, entries = str(manifest.get("name") or Path(name).stem), []
    for asset_id, facts in tqdm(sorted(manifest["assets"].items()), desc=label, unit="asset", disable=None):
        entries.append(_entry(label, asset_id, facts, manifest, _join(source, asset_id, facts, name), copies))
    return entries, Path(f"{name}.lock") if local else copies / "manifest.lock"


def _entry(
    label: str, asset_id: str, facts: dict[str, Any], manifest: dict[str, Any], source: str, copies: Path
) -> dict[str, Any]:
    licence = facts.get("license") or facts.get("licence") or manifest.get("license") or manifest.get("licence")
    if not licence:
        raise UserError(f'{label}: asset {asset_id!r} has no "license" in the manifest, nor has the manifest; add one')
    kind = TYPES.get(facts.get("asset_type", "FileBasedObject"))
    if kind is None:
        raise UserError(f"{label}: asset {asset_id!r} is a {facts['asset_type']!r}; known are {', '.join(TYPES)}")
    file = Path(source) if Path(source).exists() else copies / f"{asset_id.replace('/', '_')}.tar.gz"
    if not file.exists():
        _fetch(source, file)
    return {"id": f"{label}/{asset_id}", "licence": str(licence), "file": file, "kind": kind}


def _join(source: str, asset_id: str, facts: dict[str, Any], name: str) -> str:
    """Address of an archive; a relative data_dir is relative to the manifest."""
    file = facts.get("path") or f"{asset_id}.tar.gz"
    if "://" in source or Path(source).is_absolute():
        return f"{source.rstrip('/')}/{file}"
    return str(Path(name).parent / source / file) if Path(name).exists() else f"{name.rpartition('/')[0]}/{file}"


def _mirror(manifest: Path, content: dict[str, Any]) -> Path | None:
    """A folder beside a local manifest that stands in for its bucket: of its name, or the manifest's own folder."""
    names = [content.get("name"), manifest.stem, str(content.get("data_dir", "")).rstrip("/").rpartition("/")[2]]
    folders = [manifest.parent / str(name) for name in names if name]
    held = [folder for folder in (*folders, manifest.parent) if next(folder.glob("*.tar.gz"), None)]
    return held[0] if held else None


def _read(name: str) -> dict[str, Any]:
    try:
        content = json.loads(Path(name).read_bytes() if Path(name).exists() else _bytes(name))
        if not isinstance(content["assets"], dict):
            raise ValueError('"assets" is no table')
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"--assets {name}: not an asset manifest of Kubric's ({error})") from error
    return content


def _fetch(source: str, file: Path) -> None:
    content = _bytes(source)
    with replacing(file) as out:
        out.write(content)


def _bytes(source: str) -> bytes:
    """The content of a file or a URL. Any failure of any store is one line that tells the way out."""
    import fsspec

    try:
        options = {"token": "anon"} if source.startswith("gs://") else {}
        with fsspec.open(source, "rb", **options) as file:
            return file.read()  # type: ignore[attr-defined]
    except Exception as error:  # every store has exceptions of its own
        raise UserError(
            f"cannot read {source} ({type(error).__name__}: {error}); copy the archives into a folder beside the manifest "
            "and give the path of that manifest (gs:// needs the package gcsfs)"
        ) from error


def unpacked(archive: Path, folder: Path) -> dict[str, Path]:
    """The files of an archive by name, extracted into an empty folder; nothing gets out of it.

    Raises:
        UnreadableAsset: it is damaged, or a member is a link, a device or leads elsewhere.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if not (member.isfile() or member.isdir()):
                    raise UnreadableAsset(
                        f"{archive} holds {member.name!r}, which is neither a file nor a folder: not used"
                    )
                tar.extract(member, folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UnreadableAsset(f"cannot unpack {archive}: {error}; copy it again") from error
    return {path.name: path for path in sorted(folder.rglob("*")) if path.is_file()}
