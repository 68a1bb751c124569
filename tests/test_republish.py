"""Everything that is published, made again by one command."""

from pathlib import Path

import pytest

from benchmark.rows import read_rows
from leaderboards import republish
from leaderboards.publication import publications
from vdpm.errors import UserError


def test_long_clips_come_first_and_methods_without_weights_stay_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("VGGT_WEIGHTS", raising=False)
    planned = republish.plan(republish.Config())
    assert planned[0][1] == "long_val" and {suite for _, suite in planned} >= {"mini", "families_val", "kubric_f_val"}
    assert ("vdpm", "mini") in planned and ("vggt", "mini") not in planned
    assert republish.plan(republish.Config(methods=("vggt",), suites=("mini",))) == [("vggt", "mini")]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"methods": ("nobody",)}, "unknown method 'nobody'"),
        ({"suites": ("nothing",)}, "unknown suite 'nothing'"),
        ({"workers": 0}, "--workers 0"),
    ],
)
def test_bad_flags_are_refused(config: dict, message: str):
    with pytest.raises(UserError, match=message):
        republish.main(republish.Config(**config))


@pytest.mark.slow
def test_two_methods_are_run_checked_added_and_built(tmp_path: Path):
    places = {"runs": tmp_path / "runs", "results": tmp_path / "results", "out": tmp_path / "site"}
    republish.main(republish.Config(methods=("plane", "still"), suites=("mini",), workers=2, **places))
    assert set(publications(tmp_path / "results")) == {("mini", "plane"), ("mini", "still")}
    rows = read_rows(tmp_path / "results" / "mini-plane.jsonl")
    assert {row.protocol for row in rows} == set(republish.published_protocols())
    page = (tmp_path / "site" / "index.html").read_text()
    assert (
        "Displacement error, pooled over clips" in page
        and len(list(tmp_path.glob("site/clips/mini/*/plane.html"))) == 6
    )
