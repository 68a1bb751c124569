"""Which assets scenes may draw from: a split by a hash of the asset's id, and a library of one's own.

`using` sets the choice for what is sampled inside its block, for families know nothing of it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, get_args

from generation.library import Library

Split = Literal["train", "test", "all"]
SPLITS: tuple[Split, ...] = get_args(Split)
TEST_SHARE = 0.1

_SPLIT: ContextVar[Split] = ContextVar("split", default="all")
_LIBRARY: ContextVar[Library | None] = ContextVar("library", default=None)


@contextmanager
def using(split: Split, library: Library | None) -> Iterator[None]:
    """Draw from one side of the split, and from a library in place of the models that come with the packages."""
    tokens = _SPLIT.set(split), _LIBRARY.set(library)
    try:
        yield
    finally:
        _SPLIT.reset(tokens[0])
        _LIBRARY.reset(tokens[1])


def library() -> Library | None:
    """The library in use."""
    return _LIBRARY.get()


def side(asset_id: str) -> Split:
    """Train or test: a pure function of the id, whatever other assets there are."""
    number = int.from_bytes(hashlib.sha256(asset_id.encode()).digest()[:8], "big")
    return "test" if number < TEST_SHARE * 2**64 else "train"


def allowed(asset_id: str) -> bool:
    """Whether an asset is on the side of the split that is in use."""
    return _SPLIT.get() in ("all", side(asset_id))


def among(ids: Sequence[str]) -> list[str]:
    """Those of a short list that are allowed; all of them if none is, for a scene has to have something."""
    return [asset_id for asset_id in ids if allowed(asset_id)] or list(ids)
