"""Write what a foreign environment needs to answer: the frames of every task as PNG, and a ticket.

    python -m benchmark.export_inputs --suite mini --out data/inputs

The layout, and that of the answers, stands at the top of benchmark/foreign.py. Score them with
`python benchmark/run.py --method folder --predictions DIR --suite mini`.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro
from tqdm import tqdm

from benchmark.foreign import Ticket, write_input
from benchmark.predictions import Header
from benchmark.protocols import Protocol, find_protocols
from benchmark.suites import find_suite, read_suite
from benchmark.tasks import Scene, show
from vdpm.errors import run_command


@dataclass(frozen=True, kw_only=True)
class Config:
    """Write what a foreign environment needs to answer."""

    out: Path
    """Folder for the inputs."""
    suite: str = "mini"
    """A frozen suite, a folder of rendered shards, or a data set with --data-root."""
    data_root: Path | None = None
    """Folder of the data set that --suite names."""
    protocols: tuple[str, ...] = ()
    """Protocols; the default ones when none is named. Those that share answers share inputs."""


def export(scene: Scene, fingerprint: str, question: Protocol, suite: str, out: Path) -> int:
    """Write the tasks of one clip; how many there are."""
    header = Header(
        method="",
        method_version="",
        protocol=question.name,
        protocol_version=question.version,
        clip=scene.name,
        fingerprint=fingerprint,
    )
    tasks = question.tasks(len(scene.rgb))
    for number, task in enumerate(tasks):
        ticket = Ticket.of(header, suite, number)
        write_input(out / ticket.place, show(scene, task), ticket)
    return len(tasks)


def main(config: Config) -> None:
    """Write all inputs."""
    suite = find_suite(config.suite, config.data_root)
    questions = {protocol.question.name: protocol.question for protocol in find_protocols(config.protocols)}
    written = 0
    for scene, fingerprint in tqdm(read_suite(suite), total=len(suite.clips), unit="clip", disable=None):
        written += sum(export(scene, fingerprint, question, suite.name, config.out) for question in questions.values())
    print(f"{written} tasks of {suite.name} are in {config.out}")


if __name__ == "__main__":
    run_command(lambda: main(tyro.cli(Config, description=__doc__)))
