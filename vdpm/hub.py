"""Shards for `datasets.load_dataset`, which guesses types from five clips and gives up when a later one differs.

load_dataset("webdataset", data_files="data/train/*.tar", features=features(Path("data/train/kubric_f-000000.tar")))
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vdpm.errors import UserError
from vdpm.storage import read_members

if TYPE_CHECKING:
    from datasets import Features


def features(shard: Path) -> "Features":
    """The types of all members of a clip: those of any clip of the same length, whatever its family.

    Raises `UserError` if the shard is empty or damaged.
    """
    from datasets import Features, Image, Json, Value

    for _, members in read_members(shard):
        kinds: dict[str, Any] = {"jpg": lambda data: Image(), "json": lambda data: Json(), "npz": _arrays}
        typed = {field: kinds[field.rpartition(".")[2]](data) for field, data in members.items()}
        return Features({**typed, "__key__": Value("string"), "__url__": Value("string")})
    raise UserError(f"shard {shard} holds no clip; render it again")


def _arrays(data: bytes) -> dict[str, Any]:
    from datasets import List, Value

    def nested(array: np.ndarray) -> Any:
        kind: Any = Value(str(array.dtype))
        for _ in range(array.ndim):
            kind = List(kind)
        return kind

    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: nested(array) for name, array in arrays.items()}
