"""Rows to page and table: right means, blanks that stay blank, names that stay harmless, equal bytes for equal rows."""

import json
import re
import subprocess
import sys
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from benchmark.metrics import MIX_UP
from benchmark.rows import Row, read_rows, write_rows
from benchmark.table import plain_table, summarise
from leaderboards import build
from vdpm.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
ROW = Row(
    suite="mini", suite_version="1", protocol="video", protocol_version="1", clip="a", family="f", method="plane",
    method_version="1", reference=False, metric="depth_absrel", value=0.25, note="", unit="", better="lower", count=5,
    seconds=1.0, commit="0123456789abcdef0123456789abcdef01234567", date="2030-01-02",
)  # fmt: skip
NASTY = "<script>alert('x')</script> & \"|`*\n🦄 " + "x" * 300


def rows() -> list[Row]:
    """Two contestants and a reference on two clips; one value missing, one metric never claimed."""
    better, truth = replace(ROW, method="better", value=0.125), replace(ROW, method="truth", value=0.0, reference=True)
    return [
        ROW,
        replace(ROW, clip="b", value=0.75),
        better,
        replace(better, clip="b", value=None, note="method failed: ouch", count=0),
        truth,
        replace(truth, clip="b"),
        *(replace(ROW, clip=clip, metric="pose_ate", unit="m", value=None, note="not claimed") for clip in "ab"),
    ]


def built(tmp_path: Path, content: list[Row], out: str = "site") -> tuple[str, str]:
    write_rows(tmp_path / "results" / "some.jsonl", content)
    build.main(build.Config(results=tmp_path / "results", out=tmp_path / out))
    return (tmp_path / out / "index.html").read_text(), (tmp_path / out / "leaderboard.md").read_text()


def shell(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "leaderboards" / "build.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


class Tags(HTMLParser):
    """Collects tags and cells of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def test_means_count_only_what_has_a_value():
    means = {(mean.method, mean.metric): mean for mean in summarise(rows())}
    assert means["plane", "depth_absrel"].mean == 0.5
    assert (means["better", "depth_absrel"].mean, means["better", "depth_absrel"].scored) == (0.125, 1)
    three = [replace(ROW, clip=str(value), value=value) for value in (0.0, 0.0, 3.0)]
    assert summarise(three)[0].mean == 1.0
    assert means["plane", "pose_ate"].mean is None and means["plane", "pose_ate"].note == "not claimed"


def test_different_versions_are_never_averaged():
    changed = [
        ROW,
        *(replace(ROW, **{field: "2"}) for field in ("suite_version", "protocol_version", "method_version")),
    ]
    assert [mean.clips for mean in summarise(changed)] == [1, 1, 1, 1]
    assert sum(len(section.tables) for section in build.sections(sorted(changed, key=build._key))) == 3


def test_the_terminal_table_shows_blanks_with_their_reason():
    text = plain_table([row for row in rows() if row.method == "plane"])
    assert "0.5000     2/2" in text and "–     0/2" in text and "video pose_ate: not claimed" in text


def test_a_likely_mix_up_is_reported_beside_its_value(tmp_path: Path):
    doubtful = [replace(ROW, metric="pose_ate", unit="m", note=f"{MIX_UP}; and more")]
    assert f"video pose_ate: {MIX_UP}" in plain_table(doubtful) and "0.2500" in plain_table(doubtful)
    page, _ = built(tmp_path, doubtful)
    assert MIX_UP in page and "0.2500" in page


def test_a_mean_over_pixels_weighs_clips_by_theirs():
    uneven = [
        replace(ROW, protocol="depth_monst3r", clip=str(count), count=count, value=float(count)) for count in (1, 3)
    ]
    assert summarise(uneven)[0].mean == 2.5
    assert summarise([replace(row, protocol="depth_megasam") for row in uneven])[0].mean == 2.0


def test_page_and_table_say_the_numbers(tmp_path: Path):
    page, table = built(tmp_path, rows())
    texts = Tags(page).texts
    for text in ("0.5000", "0.1250", "1/2", "AbsRel ↓", "better v1", "0123456789", "2030-01-02"):
        assert text in texts, text
    assert "2 clips" in page and "python benchmark/run.py --method plane --suite mini" in page
    assert "| better v1 | **0.1250** (1/2) | – |" in table
    assert "| plane v1 | 0.5000 | – |" in table
    assert "| truth v1 *(reference)* | 0.0000 | – |" in table


def test_the_best_contestant_is_bold_and_a_reference_never(tmp_path: Path):
    page, _ = built(tmp_path, rows())
    assert sum("best" in (attrs.get("class") or "") for tag, attrs in Tags(page).tags if tag == "td") == 1
    lonely, _ = built(tmp_path, [row for row in rows() if row.method != "better"])
    assert not any("best" in (attrs.get("class") or "") for tag, attrs in Tags(lonely).tags if tag == "td")


def test_blanks_are_dashes_with_the_reason(tmp_path: Path):
    page, _ = built(tmp_path, rows())
    assert {"not claimed", "not run"} <= {attrs.get("title") for tag, attrs in Tags(page).tags if tag == "td"}
    assert "nan" not in page.lower().replace("dominance", "")


def test_equal_rows_give_equal_bytes_in_any_order(tmp_path: Path):
    assert built(tmp_path, rows()) == built(tmp_path, rows()[::-1], "again")


def test_the_page_stands_alone(tmp_path: Path):
    page, _ = built(tmp_path, rows())
    for tag, attrs in Tags(page).tags:
        assert tag not in ("script", "link", "img", "iframe")
        assert not {"src", "href", "onclick"} & set(attrs)
    assert "prefers-color-scheme: dark" in page and 'name="viewport"' in page and "@import" not in page


@pytest.mark.parametrize("field", ["suite", "method", "protocol", "metric", "note", "commit", "unit", "clip"])
def test_names_are_harmless(tmp_path: Path, field: str):
    nasty = [replace(row, **{field: NASTY}, value=None if field == "note" else row.value) for row in rows()[:1]]
    page, table = built(tmp_path, nasty)
    assert "<script" not in page + table
    assert not any(tag == "script" for tag, _ in Tags(page).tags)
    lines = [line for line in table.splitlines() if line.startswith("|")]
    unescaped = {len(line.replace("\\|", "").split("|")) for line in lines}
    assert unescaped == {4}


def test_several_suites_are_several_sections(tmp_path: Path):
    page, table = built(tmp_path, [ROW, replace(ROW, suite="other")])
    assert page.count("<h2>") == 2 and table.count("\n## ") == 2


def test_rows_that_are_not_published_can_be_added(tmp_path: Path):
    write_rows(tmp_path / "more.jsonl", [ROW])
    done = shell("--results", tmp_path / "none", "--rows", tmp_path / "more.jsonl", "--out", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert "plane v1" in (tmp_path / "site" / "leaderboard.md").read_text()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "no result rows in"),
        ("{", "bad.jsonl:1 is not a result row"),
        ("[]", "bad.jsonl:1 is not a result row"),
        ('{"suite": "mini"}', "bad.jsonl:1 is not a result row (differs in"),
        (json.dumps({**asdict(ROW), "value": "good"}), "value is 'good'"),
        (json.dumps({**asdict(ROW), "value": float("nan")}), "NaN is not a number"),
        (json.dumps(asdict(ROW)) + "\n" + json.dumps(asdict(ROW)), "1 rows are there more than once"),
    ],
)
def test_bad_rows_are_refused_by_place(tmp_path: Path, line: str, message: str):
    (tmp_path / "bad.jsonl").write_text(line)
    with pytest.raises(UserError, match=re.escape(message)):
        build.main(build.Config(results=tmp_path, out=tmp_path / "site"))
    assert not (tmp_path / "site").exists()


def test_no_rows_at_all_says_how_to_make_some(tmp_path: Path):
    done = shell("--results", tmp_path, "--out", tmp_path / "site")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "python benchmark/run.py --method still --publish" in done.stderr


def test_an_unwritable_place_is_one_line(tmp_path: Path):
    write_rows(tmp_path / "results" / "some.jsonl", [ROW])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write"):
        build.main(build.Config(results=tmp_path / "results", out=tmp_path / "file"))


def test_rows_come_back_as_they_were_written(tmp_path: Path):
    write_rows(tmp_path / "rows.jsonl", rows())
    assert read_rows(tmp_path / "rows.jsonl") == rows()
    with pytest.raises(UserError, match="cannot read rows"):
        read_rows(tmp_path / "nothing.jsonl")


def test_values_that_are_no_numbers_are_never_written(tmp_path: Path):
    with pytest.raises(ValueError):
        write_rows(tmp_path / "rows.jsonl", [replace(ROW, value=float("nan"))])


def test_the_committed_page_is_what_the_committed_rows_give(tmp_path: Path):
    """After a change of rows, metrics, protocols or template: `python leaderboards/build.py`, and look at the page."""
    build.main(build.Config(out=tmp_path))
    for name in ("index.html", "leaderboard.md"):
        assert (tmp_path / name).read_bytes() == (ROOT / "leaderboards" / "site" / name).read_bytes()
