"""Which frames a method is shown: nothing outside the clip, nothing that depends on chance, and no clip is an error."""

import re

import pytest

from benchmark.metrics import METRICS
from benchmark.protocols import PROTOCOLS, Protocol, Task, find_protocols
from vdpm.errors import UserError

every = pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())


def starts(name: str, length: int) -> list[int]:
    return [task.frames[0] for task in PROTOCOLS[name].tasks(length)]


@pytest.mark.parametrize("protocol", find_protocols(()), ids=lambda protocol: protocol.name)  # the others share theirs
@pytest.mark.parametrize("length", [*range(1, 30), 100])
def test_tasks_lie_in_the_clip_and_are_distinct(protocol: Protocol, length: int):
    tasks = protocol.tasks(length)
    assert tasks == protocol.tasks(length)
    assert len(set(tasks)) == len(tasks) <= protocol.tasks_per_clip
    assert bool(tasks) == (length >= protocol.frames_needed)
    for task in tasks:
        assert all(0 <= frame < length for frame in task.frames)
        assert all(0 <= source < len(task.frames) for source in task.sources)
        assert list(task.frames) == sorted(set(task.frames))


@every
def test_protocols_are_described_and_name_known_metrics(protocol: Protocol):
    assert PROTOCOLS[protocol.name] is protocol
    assert protocol.title and protocol.description.endswith(".") and protocol.version
    assert protocol.metrics and set(protocol.metrics) <= set(METRICS)
    needs = {METRICS[name].needs for name in protocol.metrics}
    assert bool(protocol.sources) == ("points" in needs)


def test_video_is_the_whole_clip():
    assert PROTOCOLS["video"].tasks(3) == [Task(frames=(0, 1, 2), sources=())]


def test_pairs_are_two_views_from_start_to_end():
    assert [task.frames for task in PROTOCOLS["vdpm_pair2"].tasks(24)] == [(0, 2), (7, 9), (14, 16), (21, 23)]
    assert [task.frames for task in PROTOCOLS["vdpm_pair8"].tasks(24)] == [(0, 8), (5, 13), (10, 18), (15, 23)]
    assert starts("vdpm_pair2", 4) == [0, 1]
    assert PROTOCOLS["vdpm_pair2"].tasks(2) == []
    assert all(task.sources == (0, 1) for task in PROTOCOLS["vdpm_pair8"].tasks(24))


def test_tracking_is_ten_frames_two_apart_from_the_first():
    assert PROTOCOLS["vdpm_track10"].frames_needed == 19
    assert PROTOCOLS["vdpm_track10"].tasks(24) == [Task(frames=tuple(range(0, 20, 2)), sources=(0,))]
    assert PROTOCOLS["vdpm_track10"].tasks(18) == []


def test_find_protocols_keeps_the_order_of_the_registry():
    assert [p.name for p in find_protocols(("vdpm_track10", "video"))] == ["video", "vdpm_track10"]
    assert [p.name for p in find_protocols(())] == ["video", "vdpm_pair2", "vdpm_pair8", "vdpm_track10"]


def test_an_unknown_protocol_is_answered_with_the_list():
    with pytest.raises(UserError, match=re.escape("unknown protocol 'vidoe': choose one of video, ")):
        find_protocols(("video", "vidoe"))
