"""One measurement in a process of its own, so that its CPU time and its memory are its own.

Reads a `Task` as JSON from standard input; writes the frames as .npz and prints a line of JSON, a `Cost`, for each variant.
"""

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from generation.bench.measure import Task, measure, quiet


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value


def main() -> None:
    """See above."""
    facts = json.load(sys.stdin)
    task = Task(**{name: _tuples(value) for name, value in facts.items()})
    with tempfile.TemporaryDirectory() as folder, quiet() as output, os.fdopen(os.dup(output), "w") as told:
        for number, (cost, arrays) in enumerate(measure(task, Path(folder))):
            np.savez(f"{task.out}.{number}.npz", **arrays)  # pyright: ignore[reportArgumentType]
            print(json.dumps(asdict(cost)), file=told, flush=True)


if __name__ == "__main__":
    main()
