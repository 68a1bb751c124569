"""Clips as WebDataset shards: the only code that knows how a clip lies on disk.

A shard is a plain tar. The members of a clip are contiguous, share its name as their key, and are the same in every clip:

    NAME.camera.npz       K (T,3,3), world_from_camera (T,4,4): float64
    NAME.mesh.npz         vertices (V,3) float32, faces (F,3), face_start (B+1,), deforming (D,): int32
    NAME.meta.json        provenance, conventions, bodies
    NAME.motion.npz       world_from_body (T,B,4,4) float64, shapes (T,D,3) float32
    NAME.physics.npz      velocity, spin (T,B,3), joint_position (T,J), joint_place (T,J,3) float32; contacts: frame (N,),
                          bodies (N,2) int32, position, normal (N,3), force, peak (N,) float32. Older clips lack it
    NAME.rgb.0000.jpg ... one image a frame
    NAME.triangle.npz     "0000" ...: (H,W) int32, one array a frame, so that one frame can be read alone
"""

import dataclasses
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import Image

from vdpm.clip import Cameras, Clip, Contacts, Physics, Surfaces
from vdpm.errors import UserError
from vdpm.files import replacing

FORMAT_VERSION = 1
JPEG_QUALITY = 95
TAIL = 7 * tarfile.RECORDSIZE
"""Empty blocks after the end of a tar, as tar allows. Whoever looks for zip archives (`zipfile.is_zipfile`, and so Croissant's
loader) searches the last 64 kB for an archive's end, and would find that of the last .npz."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_MEMBER = re.compile(r"(?P<key>[A-Za-z0-9_-]+)\.(?P<field>[A-Za-z0-9_.]+)")


def _npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:4:4")
    return buffer.getvalue()


def encode(clip: Clip) -> dict[str, bytes]:
    """The members of a clip by field. Equal clips give equal bytes; only RGB is lossy (JPEG 95, 4:4:4)."""
    if not _NAME.fullmatch(clip.name):
        raise UserError(f"clip name {clip.name!r}: only letters, digits, '-' and '_' (a dot would split the key)")
    surfaces, cameras = clip.surfaces, clip.cameras
    meta = {"format_version": FORMAT_VERSION, **clip.meta}
    return {
        "camera.npz": _npz(K=cameras.K, world_from_camera=cameras.world_from_camera),
        "mesh.npz": _npz(
            vertices=surfaces.vertices,
            faces=surfaces.faces,
            face_start=surfaces.face_start,
            deforming=surfaces.deforming,
        ),
        "meta.json": json.dumps(meta, indent=1, sort_keys=True).encode(),
        "motion.npz": _npz(world_from_body=surfaces.world_from_body, shapes=surfaces.shapes),
        **({} if clip.physics is None else {"physics.npz": _npz(**_flat(clip.physics))}),
        **{f"rgb.{t:04d}.jpg": _jpeg(image) for t, image in enumerate(clip.rgb)},
        "triangle.npz": _npz(**{f"{t:04d}": frame for t, frame in enumerate(clip.triangle)}),
    }


def decode(name: str, members: dict[str, bytes]) -> Clip:
    """The inverse of `encode`. Raises `UserError` when members are missing, foreign or of another version."""
    try:
        return _decode(name, members)
    except UserError:
        raise
    except Exception as error:  # on damaged bytes the readers of zip, npz, JPEG and JSON raise a dozen kinds
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(f"clip {name!r} is damaged or not one of ours ({reason}); render it again") from error


def _decode(name: str, members: dict[str, bytes]) -> Clip:
    meta = json.loads(members["meta.json"])
    version = meta.pop("format_version")
    if version != FORMAT_VERSION:
        raise UserError(f"clip {name!r} has format {version}, this code reads {FORMAT_VERSION}; render it again")
    camera, mesh = _load(members["camera.npz"]), _load(members["mesh.npz"])
    motion, frame_triangle = _load(members["motion.npz"]), _load(members["triangle.npz"])
    fields = sorted(field for field in members if field.startswith("rgb."))
    rgb = np.stack([np.asarray(Image.open(io.BytesIO(members[field])).convert("RGB")) for field in fields])
    triangle = np.stack([frame_triangle[frame] for frame in sorted(frame_triangle)])
    if rgb.shape[:3] != triangle.shape or not len(rgb) == len(camera["K"]) == len(motion["world_from_body"]):
        raise ValueError("images, triangles, cameras and motion are not of the same frames")
    return Clip(
        name=name,
        rgb=rgb,
        triangle=triangle,
        cameras=Cameras(K=camera["K"], world_from_camera=camera["world_from_camera"]),
        surfaces=Surfaces(
            vertices=mesh["vertices"],
            faces=mesh["faces"],
            face_start=mesh["face_start"],
            world_from_body=motion["world_from_body"],
            deforming=mesh["deforming"],
            shapes=motion["shapes"],
        ),
        meta=meta,
        physics=_physics(_load(members["physics.npz"])) if "physics.npz" in members else None,
    )


def _flat(physics: Physics) -> dict[str, np.ndarray]:
    """The arrays of the record, those of the contacts among them."""
    return {**vars(physics.contacts), **{name: value for name, value in vars(physics).items() if name != "contacts"}}


def _physics(arrays: dict[str, np.ndarray]) -> Physics:
    """The inverse of `_flat`."""
    contacts = Contacts(**{field.name: arrays.pop(field.name) for field in dataclasses.fields(Contacts)})
    return Physics(contacts=contacts, **arrays)


def _load(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)


def write_shard(path: Path, samples: Iterable[tuple[str, dict[str, bytes]]]) -> None:
    """Write encoded clips as one tar that is the same bytes for the same samples, all of it or nothing of it.

    Raises `UserError` when the folder cannot be written or the disk is full.
    """
    from webdataset.writer import TarWriter  # here, because it imports torch where there is one; reading needs neither

    with replacing(path) as file:
        with TarWriter(file, mtime=0, encoder=False) as tar:
            for name, members in samples:
                tar.write({"__key__": name, **members})
        file.write(bytes(TAIL))


def fingerprint(members: dict[str, bytes]) -> str:
    """SHA-256 over the stored members of a clip, whatever shard they lie in."""
    digest = hashlib.sha256()
    for field in sorted(members):
        digest.update(f"{field} {len(members[field])}\n".encode())
        digest.update(members[field])
    return digest.hexdigest()


def read_members(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Encoded clips of a shard in order, nothing extracted to disk. Raises `UserError` on a truncated or foreign tar."""
    try:
        with tarfile.open(path, "r:") as tar:
            fields = (_field(path, tar, member) for member in tar)
            for name, group in groupby(fields, key=lambda field: field[0]):
                yield name, {field: data for _, field, data in group}
            _refuse_cut(tar)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UserError(f"cannot read shard {path}: {error}; delete it and render it again") from error


def _refuse_cut(tar: tarfile.TarFile) -> None:
    """`tarfile` takes a header that is cut off or broken for the end; a whole tar ends in empty blocks."""
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it is cut off or damaged")


def _field(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[str, str, bytes]:
    match = _MEMBER.fullmatch(member.name)
    file = tar.extractfile(member) if member.isfile() else None
    if match is None or file is None:
        raise UserError(f"shard {path} holds {member.name!r}, which is not a member of a clip: not one of our shards")
    return match["key"], match["field"], file.read()


def read_shard(path: Path) -> Iterator[Clip]:
    """Clips of a shard in order."""
    for name, members in read_members(path):
        try:
            clip = decode(name, members)
        except UserError as error:
            raise UserError(f"shard {path}: {error}") from error
        yield clip
