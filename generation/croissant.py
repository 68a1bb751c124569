"""Metadata of a folder of shards as Croissant (mlcommons.org/croissant) describes data sets, checked by `mlcroissant`.

Images and metadata are record sets; the arrays are listed as files. The metadata is for catalogues and search: to read the
shards use webdataset. mlcroissant's own loader (1.1.1) reads them too, slowly; shards of generator versions 1 and 2 it takes
for zip archives, and finds nothing in them.
"""

import datetime
import json
from pathlib import Path
from typing import Any

from vdpm.errors import UserError
from vdpm.files import replacing, sha256

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
ARRAYS = {
    "camera": "intrinsics and poses of the cameras",
    "mesh": "triangle meshes at rest",
    "motion": "poses of bodies, vertices of what deforms, frame by frame",
    "physics": "velocities, contacts, joints",
    "triangle": "index of the triangle that each pixel sees, frame by frame",
}


def library() -> Any:
    """The package. Raises `UserError` if it is not installed."""
    try:
        import mlcroissant
    except ModuleNotFoundError as error:
        raise UserError("mlcroissant not installed: pip install '.[card]'") from error
    return mlcroissant


def metadata(
    shards: list[Path], folder: Path, name: str, description: str, licences: list[str], url: str, creator: str,
    published: datetime.datetime,
) -> Any:  # fmt: skip
    """The description of some shards that lie in or below a folder, beside which its file is to lie."""
    mlc = library()
    tars = [
        mlc.FileObject(
            id=shard.name,
            name=shard.name,
            content_url=shard.relative_to(folder).as_posix(),
            encoding_formats=["application/x-tar"],
            sha256=sha256(shard),
            content_size=f"{shard.stat().st_size} B",
        )
        for shard in shards
    ]
    names = [shard.name for shard in shards]
    sets = [
        _files(mlc, names, "images", "image/jpeg", "*.rgb.*.jpg", "frames, one image each"),
        _files(mlc, names, "metadata", "application/json", "*.meta.json", "provenance, licences, bodies, conventions"),
        *(_files(mlc, names, key, "application/zip", f"*.{key}.npz", text) for key, text in ARRAYS.items()),
    ]
    return mlc.Metadata(
        conforms_to=CONFORMS_TO,
        name=name,
        description=description,
        license=licences,
        url=url,
        creators=[mlc.Organization(name=creator)],
        date_published=published,
        version="1.0.0",
        distribution=[*tars, *sets],
        record_sets=[
            _records(mlc, "frames", "images", "image", mlc.DataType.IMAGE_OBJECT),
            _records(mlc, "clips", "metadata", "facts", mlc.DataType.TEXT),
        ],
    )


def _files(mlc: Any, tars: list[str], key: str, encoding: str, pattern: str, description: str) -> Any:
    return mlc.FileSet(
        id=key, name=key, description=description, contained_in=tars, encoding_formats=[encoding], includes=[pattern]
    )


def _records(mlc: Any, key: str, files: str, field: str, kind: Any) -> Any:
    """Records of a file name and the file's content."""
    columns = [("file", mlc.DataType.TEXT, mlc.FileProperty.filename), (field, kind, mlc.FileProperty.content)]
    return mlc.RecordSet(
        id=key,
        name=key,
        fields=[
            mlc.Field(
                id=f"{key}/{column}",
                name=f"{key}/{column}",
                data_types=[data_type],
                source=mlc.Source(file_set=files, extract=mlc.Extract(file_property=what)),
            )
            for column, data_type, what in columns
        ],
    )


def write(described: Any, path: Path) -> None:
    """Write the description and read it again with the package's own validator. Raises `UserError` if it objects."""
    content = json.dumps(described.to_json(), indent=1, default=str)
    with replacing(path) as file:
        file.write(content.encode())
    try:
        dataset = library().Dataset(jsonld=path)
    except Exception as error:  # the validator's own exceptions
        raise UserError(f"{path} is not valid Croissant: {error}") from error
    if problems := dataset.metadata.ctx.issues.errors:
        raise UserError(f"{path} is not valid Croissant: {'; '.join(sorted(problems))}")
