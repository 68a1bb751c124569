"""Numbers that papers print, as they print them."""

from pathlib import Path

import pytest

from leaderboards.reported import read_reported
from vdpm.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def test_reported_numbers_are_the_printed_ones():
    """Samples of V-DPM's four tables, and the digits as text: a printed .090 is not .09."""
    found = {table.key: table for table in read_reported()}
    pair = found["vdpm: Table 1, views 8 apart"]
    assert (
        dict(zip(((c.dataset, c.metric) for c in pair.columns), pair.rows["V-DPM"], strict=True))[
            "Kubric-G", "EPE P0(t1)"
        ]
        == ".049"
    )
    assert found["vdpm: Table 2"].rows["V-DPM"] == (".032", ".027", ".035", ".042")
    assert found["vdpm: Table 3"].rows["V-DPM"] == (".247", "69.4", ".057", "97.3")
    assert found["vdpm: Table 4"].rows["V-DPM"] == (".105", ".048", ".67", ".057", ".017", ".34")
    assert found["dpm: Table 2, KITTI"].rows["CasualSAM"] == (".246", "62.2")
    directions = {(c.metric, c.better) for table in found.values() for c in table.columns}
    assert {
        ("AbsRel", "lower"),
        ("δ<1.25", "higher"),
        ("AUC@3", "higher"),
        ("ATE", "lower"),
        ("APD", "higher"),
    } <= directions


def test_a_reported_row_that_does_not_fit_is_named(tmp_path: Path):
    text = (ROOT / "leaderboards" / "reported.toml").read_text()
    (tmp_path / "short.toml").write_text(text.replace("DPM            .114  .088", "DPM            .114", 1))
    with pytest.raises(UserError, match="vdpm, Table 2, DPM: 3 numbers, 4 columns"):
        read_reported(tmp_path / "short.toml")
    (tmp_path / "word.toml").write_text(text.replace("DPM            .114  .088", "DPM            .114  good", 1))
    with pytest.raises(UserError, match="'good' is not a number"):
        read_reported(tmp_path / "word.toml")
