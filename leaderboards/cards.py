"""What is known of a method beside its numbers (`cards.toml`): licence and training data, for the filters of the page."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vdpm.errors import UserError

FILE = Path(__file__).with_name("cards.toml")
USES = {
    "any": "any use",
    "non-commercial": "non-commercial",
    "closed": "not released",
    "unknown": "not stated",
}
"""Classes of licences, and how the page calls them."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """Licence and training data of a method."""

    use: str = "unknown"
    licence: str = "not stated"
    data: tuple[str, ...] | None = None
    """Training sets; empty for a method that learns nothing, None where nothing is stated."""
    url: str = ""

    @property
    def trained(self) -> str:
        """The training data as text."""
        if self.data is None:
            return "not stated"
        return ", ".join(self.data) or "none: it learns nothing"

    @property
    def tags(self) -> tuple[str, ...]:
        """What the filter for training data goes by."""
        return ("not stated",) if self.data is None else self.data or ("none",)


@cache
def cards(file: Path = FILE) -> dict[str, Card]:
    """All cards by the name of their method. Raises `UserError` on a class of licences that is none."""
    found = {}
    for name, facts in tomllib.loads(file.read_text(encoding="utf-8")).items():
        if facts.get("use", "unknown") not in USES:
            raise UserError(f"{file}: use of {name!r} is {facts['use']!r}: choose one of {', '.join(USES)}")
        data = tuple(facts["data"]) if "data" in facts else None
        found[name] = Card(**{**facts, "data": data})
    return found


def card(name: str) -> Card:
    """The card of a method; an empty one when nothing is known."""
    return cards().get(name, Card())
