"""How far a run is: a bar for people, and a status file that a dashboard can poll."""

import json
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from tqdm import tqdm

from generation.jobs import Outcome
from generation.store import Bucket, Store
from vdpm.errors import UserError

SECONDS_LOCAL, SECONDS_REMOTE = 1.0, 30.0
"""Between two writes of the status file."""


class Progress:
    """Counts outcomes. A context manager: what state a run ended in is in the file too."""

    def __init__(self, store: Store, name: str, total: int, done: int, quiet: bool):
        """`name` is that of the status file in the store; `done` of `total` clips were there before."""
        self.store, self.name = store, name
        self.total, self.there = total, done
        self.made = self.failed = self.refused = self.substituted = 0
        self.failures: list[str] = []
        self.megabytes = 0.0
        self.began, self.began_at = time.monotonic(), _now()
        self.every = SECONDS_REMOTE if isinstance(store, Bucket) else SECONDS_LOCAL
        self.written = 0.0
        self.bar = tqdm(total=total, initial=done, unit="clip", smoothing=0.1, disable=quiet)

    def __enter__(self) -> "Progress":
        self._write("running")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.bar.close()
        self._write("finished" if kind is None else "interrupted" if kind is KeyboardInterrupt else "stopped")

    def tell(self, outcome: Outcome) -> None:
        """Count one more."""
        self.refused += outcome.refused
        self.megabytes = max(self.megabytes, outcome.megabytes)
        if outcome.failure is None:
            self.made += 1
            self.substituted += bool(outcome.substituted)
            self.bar.update()
        else:
            self.failed += 1
            self.failures.append(f"{outcome.job.path.stem}: {outcome.failure}")
        self.bar.set_postfix(self._counts(), refresh=False)
        if time.monotonic() - self.written > self.every:
            self._write("running")

    def _counts(self) -> dict[str, int]:
        counts = {"refused": self.refused, "substituted": self.substituted, "failed": self.failed}
        return {name: count for name, count in counts.items() if count}

    def status(self, state: str) -> dict[str, Any]:
        """What the status file says."""
        hours = (time.monotonic() - self.began) / 3600
        pace = self.made / hours if self.made else None
        left = self.total - self.there - self.made - self.failed
        return {
            "state": state,
            "wanted": self.total,
            "done": self.there + self.made,
            "failed": self.failed,
            "refused": self.refused,
            "substituted": self.substituted,
            "worker_mb": round(self.megabytes),
            "clips_per_hour": pace and round(pace, 1),
            "eta_seconds": pace and round(left / pace * 3600),
            "started": self.began_at,
            "updated": _now(),
        }

    def _write(self, state: str) -> None:
        """A status that cannot be written is no reason to stop: clips matter more."""
        self.written = time.monotonic()
        try:
            self.store.write(self.name, json.dumps(self.status(state), indent=1).encode())
        except UserError as error:
            tqdm.write(f"status not written: {error}")


def reasons(found: Counter[str]) -> str:
    """ "3 substituted (2 x took more than 5 s, 1 x ended with SIGSEGV)"."""
    return f"{sum(found.values())} substituted ({', '.join(f'{count} x {why}' for why, count in found.most_common())})"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
