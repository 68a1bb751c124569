"""Rows to site and tables: right means, blanks that stay blank, names that stay harmless, equal bytes for equal rows."""

import csv
import io
import json
import re
import subprocess
import sys
from dataclasses import asdict, astuple, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from benchmark.evaluators.resampling import bootstrap, compare
from benchmark.metrics import MIX_UP
from benchmark.rows import Row, read_rows, write_rows
from benchmark.table import plain_table, summarise
from leaderboards import build
from leaderboards.answering import Answer, answers
from leaderboards.board import Board, Scores, boards, natural
from leaderboards.cards import cards
from leaderboards.columns import overview_columns
from leaderboards.sureness import fewest_clips, interval, paired
from leaderboards.words import short, slug
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


def duel(first: list[float], second: list[float], **fields) -> list[Row]:
    """Two contestants on the same clips."""
    return [
        replace(ROW, method=method, clip=f"{clip:02d}", value=value, **fields)
        for method, values in (("one", first), ("two", second))
        for clip, value in enumerate(values)
    ]


def built(tmp_path: Path, content: list[Row], out: str = "site") -> Path:
    write_rows(tmp_path / "some.jsonl", content)
    build.main(
        build.Config(
            results=tmp_path / "none", rows=(tmp_path / "some.jsonl",), out=tmp_path / out, media=tmp_path / "media"
        )
    )
    return tmp_path / out


def marks(content: list[Row], place: int = 0) -> dict[str, str]:
    """How each method of the first board is marked in a column."""
    found = boards(content)[0]
    return {line.method.name: line.cells[place].mark for line in found.lines}


def shell(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "leaderboards" / "build.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


class Tags(HTMLParser):
    """Collects tags and texts of a page."""

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


def test_boards_have_the_means_of_the_command_line():
    rng = np.random.default_rng(0)
    content = [
        replace(ROW, protocol=protocol, metric="depth_absrel", clip=str(clip), count=int(rng.integers(1, 9)), value=rng.random())
        for protocol in ("video", "depth_monst3r", "vdpm_pair2") for clip in range(7)
    ]  # fmt: skip
    expected = {mean.protocol: mean.mean for mean in summarise(content)}
    found = build_protocol_board(content)
    for column, cell in zip(found.columns, found.lines[0].cells, strict=True):
        assert cell.interval and cell.interval.mean == pytest.approx(expected[column.protocol], rel=1e-12)


def build_protocol_board(content: list[Row]) -> Board:
    from leaderboards.board import protocol_board

    return protocol_board(content, "k", "t", "s", "1")


def test_different_versions_are_never_averaged():
    changed = [
        ROW,
        *(replace(ROW, **{field: "2"}) for field in ("suite_version", "protocol_version", "method_version")),
    ]
    assert [mean.clips for mean in summarise(changed)] == [1, 1, 1, 1]
    found = boards(changed)
    assert [(board.suite, board.version) for board in found] == [("mini", "1"), ("mini", "2")]
    assert len({column.key for column in found[0].columns if column.group == "Depth"}) == 2 and len(found[0].lines) == 2


def test_all_suites_together_hold_the_newest_version_of_each():
    content = [
        replace(ROW, suite=suite, suite_version=version) for suite, version in (("a", "9"), ("a", "10"), ("b", "1"))
    ]
    together = boards(content)[0]
    assert together.key == "all" and together.clips == [("a", "a"), ("b", "a")]
    assert sorted(["10", "9", "unfrozen"], key=natural) == ["unfrozen", "9", "10"]


def test_the_terminal_table_shows_blanks_with_their_reason():
    text = plain_table([row for row in rows() if row.method == "plane"])
    assert "0.5000     2/2" in text and "–     0/2" in text and "video pose_ate: not claimed" in text


def test_a_likely_mix_up_is_reported_beside_its_value(tmp_path: Path):
    doubtful = [replace(ROW, metric="pose_ate", unit="m", note=f"{MIX_UP}; and more")]
    assert f"video pose_ate: {MIX_UP}" in plain_table(doubtful) and "0.2500" in plain_table(doubtful)
    page = (built(tmp_path, doubtful) / "index.html").read_text()
    assert MIX_UP in page and ">0.250<" in page


def test_a_mean_over_pixels_weighs_clips_by_theirs():
    uneven = [
        replace(ROW, protocol="depth_monst3r", clip=str(count), count=count, value=float(count)) for count in (1, 3)
    ]
    assert summarise(uneven)[0].mean == 2.5
    assert summarise([replace(row, protocol="depth_megasam") for row in uneven])[0].mean == 2.0


def test_intervals_are_those_of_the_benchmark():
    values = np.random.default_rng(1).random(17)
    ours, reference = interval(values, np.ones(17)), bootstrap(values, np.random.default_rng(0))
    assert astuple(ours) == pytest.approx(astuple(reference), rel=1e-12)
    weighted = interval(np.array([1.0, 3.0]), np.array([3.0, 1.0]))
    assert (weighted.mean, weighted.low, weighted.high) == (1.5, 1.0, 3.0)


def test_paired_tests_are_exact_for_few_clips_and_the_benchmarks_for_many():
    first = np.arange(6.0)
    all_lower = paired(first, first + 1.0)
    assert all_lower and all_lower.p_value == 2 / 64 and not all_lower.tied and all_lower.first_lower == 6
    five = paired(first[:5], first[:5] + 1.0)
    assert five and five.p_value == 2 / 32 and five.tied and fewest_clips() == 6
    same = paired(first, first)
    assert same and same.p_value == 1.0
    rng = np.random.default_rng(2)
    one, two = rng.random(40), rng.random(40) + 0.1
    many, reference = paired(one, two), compare(one, two, np.random.default_rng(3))
    assert many and many.p_value == pytest.approx(reference.p_value, abs=0.02)
    assert paired(np.array([np.nan]), np.array([1.0])) is None


def test_best_second_and_ties_are_told_apart():
    low = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert marks(duel(low, [value + 0.1 for value in low])) == {"one": "best", "two": "second"}
    crossed = [low[0] + 0.5, *(value - 0.01 for value in low[1:])]
    assert marks(duel(low, crossed)) == {"one": "best", "two": "tied"}
    assert marks(duel(low, low)) == {"one": "best", "two": "best"}
    assert marks(duel(low, [value + 0.1 for value in low], better="higher")) == {"one": "second", "two": "best"}


def test_a_blank_on_a_hard_clip_does_not_win_and_a_reference_never():
    assert marks(rows()) == {"plane": "", "better": "", "truth": ""}
    cell = next(line.cells[0] for line in boards(rows())[0].lines if line.method.name == "better")
    assert (cell.scored, cell.clips, cell.ranked) == (1, 2, False)


def test_a_new_metric_of_a_default_protocol_is_a_new_column():
    content = [replace(ROW, protocol="vdpm_track10", metric=name) for name in ("epe_track", "brand_new")]
    assert [column.title for column in overview_columns(content)] == ["EPE P0(t0…t9)", "brand_new"]
    assert overview_columns([replace(ROW, protocol="cost", metric="peak_memory", unit="MB")])[0].group == "Cost"
    assert overview_columns([replace(ROW, protocol="unheard_of")]) == []


def test_page_and_tables_say_the_numbers(tmp_path: Path):
    site = built(tmp_path, rows())
    texts = Tags((site / "index.html").read_text()).texts
    for text in ("0.500", "0.125", "1/2", "AbsRel", "better"):
        assert text in texts, text
    table = (site / "leaderboard.md").read_text()
    assert "| better v1 | 0.1250 (1/2) | – |" in table and "| plane v1 | 0.5000 | – |" in table
    assert "| truth v1 *(reference)* | 0.0000 | – |" in table
    fields = list(csv.DictReader(io.StringIO((site / "tables" / "leaderboard.csv").read_text())))
    assert {field["mean"] for field in fields if field["method"] == "plane" and "absrel" in field["metrics"]} == {"0.5"}
    assert r"plane v1 & 0.5000 & --" in (site / "tables" / "leaderboard.tex").read_text()
    page = (site / "methods" / "plane-v1.html").read_text()
    assert (
        "python benchmark/run.py --method plane --suite mini" in page and "0123456789" in page and "2030-01-02" in page
    )


def test_blanks_are_dashes_with_the_reason(tmp_path: Path):
    page = (built(tmp_path, rows()) / "index.html").read_text()
    assert {"not claimed", "not run", "method failed: ouch"} <= {attrs.get("title") for _, attrs in Tags(page).tags}
    assert "nan" not in page.lower().replace("dominance", "")


def test_equal_rows_give_equal_bytes_in_any_order(tmp_path: Path):
    sites = [built(tmp_path, content, out) for content, out in ((rows(), "one"), (rows()[::-1], "two"))]
    first, second = (
        {path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()} for site in sites
    )
    assert first == second and len(first) > 20


def test_pages_of_what_is_no_more_vanish_and_drawings_stay(tmp_path: Path):
    site = built(tmp_path, rows())
    drawing = site / "clips" / "mini" / "a" / "plane.webp"
    drawing.parent.mkdir()
    drawing.write_bytes(b"drawn")
    built(tmp_path, [row for row in rows() if row.method != "better"])
    assert not (site / "methods" / "better-v1.html").exists() and drawing.exists()


def test_a_folder_that_is_no_site_loses_nothing(tmp_path: Path):
    (tmp_path / "site" / "figures").mkdir(parents=True)
    (tmp_path / "site" / "figures" / "mine.svg").write_text("mine")
    assert (built(tmp_path, rows()) / "figures" / "mine.svg").read_text() == "mine"


def test_pages_stand_alone(tmp_path: Path):
    site = built(tmp_path, rows())
    for path in site.rglob("*.html"):
        for tag, attrs in Tags(path.read_text()).tags:
            assert tag not in ("object", "base") and not {"onclick", "onload", "style"} & set(attrs), path
            for target in (attrs.get("src"), attrs.get("href") if tag in ("a", "link") else None):
                leads_out = target is None or target.startswith(("#", "https://", "../../../"))
                assert leads_out or (path.parent / str(target).partition("#")[0]).is_file(), f"{path}: {target}"
                assert tag == "a" or target is None or not target.startswith("http")
        policies = [attrs["content"] or "" for tag, attrs in Tags(path.read_text()).tags if attrs.get("http-equiv")]
        assert len(policies) == 1 and policies[0].startswith("default-src 'none'; script-src 'self'")


@pytest.mark.parametrize("field", ["suite", "method", "protocol", "metric", "note", "commit", "unit", "clip", "family"])
def test_names_are_harmless(tmp_path: Path, field: str):
    nasty = [replace(row, **{field: NASTY}, value=None if field == "note" else row.value) for row in rows()[:1]]
    site = built(tmp_path, nasty)
    for path in site.rglob("*.html"):
        scripts = [attrs for tag, attrs in Tags(path.read_text()).tags if tag == "script"]
        assert all(set(attrs) <= {"src", "defer"} for attrs in scripts), path
    assert "<script" not in (site / "leaderboard.md").read_text()
    lines = [
        line
        for line in (site / "leaderboard.md").read_text().partition("# Reported")[0].splitlines()
        if line.startswith("|")
    ]
    assert len({len(line.replace("\\|", "").split("|")) for line in lines}) <= 1
    assert all(path.stat().st_size and len(path.name) < 100 for path in site.rglob("*.html"))


def test_names_become_files_that_differ():
    assert slug("plane") == "plane" and slug("../x") != slug("x") and "/" not in slug("../x")
    assert slug("a b") != slug("a-b") and slug("") == "x-e3b0c442"


def told(content: list[Row]) -> list[Answer]:
    return answers(boards(content)[0], Scores.of(content))


MOTION = {"protocol": "vdpm_track10", "metric": "displacement_error"}
FLOOR = [replace(ROW, method="still", reference=True, clip=f"{clip:02d}", value=1.0, **MOTION) for clip in range(6)]


def test_who_moves_nothing_does_not_move_points_best():
    """`still` is the floor: a contestant that is not better than it is no answer."""
    lazy = told(duel([1.0] * 6, [1.2] * 6, **MOTION) + FLOOR)
    assert lazy[0].short == "None beats standing still" and "Equal to still on all 6 clips." in lazy[1].long
    best, sure, cost = told(duel([0.5] * 6, [1.2] * 6, **MOTION) + FLOOR)
    assert (best.short, sure.short, cost.short) == ("one", "Better than the other", "Not measured")
    assert "1.00 is scored by moving nothing" in best.long and "over 6 clips" in sure.long
    assert "Against two better by 0.700 (0.700 – 0.700), on 6 : 0 of 6 clips: p = 0.031." in sure.long
    assert "Against still better by 0.500" in sure.long


def test_ties_and_few_clips_are_told_in_the_answer():
    _, sure, _ = told(duel([0.5, 0.6, 0.7, 0.4, 0.5, 0.6], [0.4, 0.7, 0.8, 0.3, 0.6, 0.6], **MOTION) + FLOOR)
    assert sure.short == "Tied with two" and "a tie, p ≥ 0.05" in sure.long
    _, few, _ = told(duel([0.5] * 3, [0.9] * 3, **MOTION))
    assert few.short == "Tied with two" and "Fewer than 6 clips can show no difference at all" in few.long
    alone = [row for row in duel([0.5] * 6, [0.9] * 6, **MOTION) if row.method == "one"]
    assert told(alone + FLOOR)[1].short == "It stands alone"


def test_cost_is_told_as_time_and_memory():
    contest = duel([0.5] * 6, [0.9] * 6, **MOTION)
    took = [replace(row, protocol="video", metric="depth_absrel", seconds=2.5) for row in contest]
    held = [replace(row, protocol="cost", metric="cost_ram", unit="GB", value=0.75, note="some CPU") for row in contest]
    cost = told(contest + took + held)[2]
    assert cost.short == "2.50 s a clip, 0.750 GB" and "one on some CPU" in cost.long


def test_numbers_are_short():
    numbers = [0.03123, 0.3123, 1.2345, 12.345, 467.8, 12345.0, 1e-9, -0.25]
    assert [short(number) for number in numbers] == ["0.0312", "0.312", "1.23", "12.3", "468", "1.2e+04", "0", "-0.250"]


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
        build.main(build.Config(results=tmp_path / "none", rows=(tmp_path / "bad.jsonl",), out=tmp_path / "site"))
    assert not (tmp_path / "site").exists()


def test_rows_that_nobody_submitted_are_not_published(tmp_path: Path):
    write_rows(tmp_path / "results" / "mine.jsonl", [ROW])
    with pytest.raises(
        UserError, match="mine.jsonl was never checked: publish the run with python leaderboards/submit.py"
    ):
        build.main(build.Config(results=tmp_path / "results", out=tmp_path / "site"))
    assert not (tmp_path / "site").exists()


def test_no_rows_at_all_says_how_to_make_some(tmp_path: Path):
    done = shell("--results", tmp_path, "--out", tmp_path / "site")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "python leaderboards/submit.py runs/mini/still" in done.stderr


def test_an_unwritable_place_is_one_line(tmp_path: Path):
    write_rows(tmp_path / "some.jsonl", [ROW])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write"):
        build.main(build.Config(results=tmp_path / "none", rows=(tmp_path / "some.jsonl",), out=tmp_path / "file"))


def test_rows_come_back_as_they_were_written(tmp_path: Path):
    write_rows(tmp_path / "rows.jsonl", rows())
    assert read_rows(tmp_path / "rows.jsonl") == rows()
    with pytest.raises(UserError, match="cannot read rows"):
        read_rows(tmp_path / "nothing.jsonl")


def test_values_that_are_no_numbers_are_never_written(tmp_path: Path):
    with pytest.raises(ValueError):
        write_rows(tmp_path / "rows.jsonl", [replace(ROW, value=float("nan"))])


def test_reported_rows_stand_beside_measured_ones_and_are_never_ranked(tmp_path: Path):
    content = duel([0.5] * 6, [0.6] * 6, protocol="vdpm_track10", metric="epe_track")
    page = (built(tmp_path, content) / "index.html").read_text()
    body = page.partition('<tbody class="reported">')[2].partition("</tbody>")[0]
    assert ".027" in body and "V-DPM" in body and "best" not in body
    assert "Kubric-F, V-DPM" in body and marks(content) == {"one": "best", "two": "second"}


def test_cards_name_a_class_of_licences_that_is_one(tmp_path: Path):
    assert cards()["oracle"].tags == ("none",)
    (tmp_path / "cards.toml").write_text('[x]\nuse = "free"')
    with pytest.raises(UserError, match="choose one of any"):
        cards(tmp_path / "cards.toml")


def test_the_committed_site_is_what_the_committed_rows_give(tmp_path: Path):
    """After a change of rows, metrics, protocols or templates: `python leaderboards/build.py`, and look at the pages."""
    build.main(build.Config(out=tmp_path))
    committed = ROOT / "leaderboards" / "site"
    made = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*") if path.is_file()}
    strict = {name for name in made if name.suffix not in (".svg", ".png")}  # another Matplotlib draws other bytes
    different = [
        str(name) for name in strict if not (committed / name).is_file() or _text(made[name]) != _text(committed / name)
    ]
    assert not different
    assert sum(path.stat().st_size for path in committed.rglob("*") if path.is_file()) <= 30e6
    assert (committed / "index.html").stat().st_size <= 500_000


def _text(path: Path) -> str:
    """A page without the drawings in it."""
    return re.sub(r"<svg.*?</svg>", "<svg>", path.read_text(), flags=re.DOTALL)
