"""The site in a real browser: Chromium of the system, driven by Playwright. Skipped, with the reason, where there is none.

With SCREENSHOTS=folder in the environment the pages are also photographed, light, dark, on a phone: look at them.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.rows import Row, write_rows
from leaderboards import build
from tests.test_leaderboard import NASTY, ROW, duel

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "leaderboards" / "site"
AXE = Path(__file__).parent / "fixtures" / "axe" / "axe.min.js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGES = ["index.html", "compare.html", "figures.html", "reported.html", "problems.html", "protocols/index.html",
         "clips/index.html", "methods/plane-v1.html", "protocols/video-v1.html"]  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        options = [
            "--no-sandbox",
            "--disable-background-networking",
            "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader",
        ]
        running = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        yield running
        running.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A fresh page that must neither complain nor fetch anything from elsewhere."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    opened.set_default_timeout(60_000)
    complaints: list[str] = []
    opened.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    yield opened
    opened.close()
    assert not [text for text in complaints if "GPU stall" not in text and "swiftshader" not in text.lower()]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of two suites and three contestants, one of them of a dangerous name and partly blank."""
    folder = tmp_path_factory.mktemp("made")
    rows: list[Row] = []
    for suite in ("first", NASTY):
        for metric, protocol in (
            ("depth_absrel", "video"),
            ("epe_track", "vdpm_track10"),
            ("epe_track_moving", "vdpm_track10"),
        ):
            shared = {"suite": suite, "metric": metric, "protocol": protocol, "family": NASTY}
            rows += duel([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.3, 0.2, 0.9, 0.8, 0.7, 0.6], **shared)
            rows += [
                replace(ROW, method=NASTY, value=None if n == 5 else 0.05, note=NASTY, clip=f"{n:02d}", **shared)
                for n in range(6)
            ]
            rows += [
                replace(ROW, method="oracle", value=0.0, reference=True, clip=f"{n:02d}", **shared) for n in range(6)
            ]
    rows = [replace(row, clip=NASTY) if row.clip == "03" else row for row in rows]
    write_rows(folder / "some.jsonl", rows)
    build.main(
        build.Config(results=folder / "none", rows=(folder / "some.jsonl",), out=folder / "site", media=folder / "none")
    )
    return folder / "site"


def go(page: Any, path: Path) -> None:
    page.goto(path.as_uri())


def shown(page: Any, selector: str) -> list[str]:
    """Texts of the elements that can be seen."""
    return [found.inner_text().strip() for found in page.locator(selector).all() if found.is_visible()]


def names(page: Any) -> list[str]:
    return [text.split()[0] for text in shown(page, ".board:not([hidden]) tbody.measured th")]


def test_a_column_sorts_both_ways_and_blanks_stay_last(page: Any, made: Path):
    go(page, made / "index.html")
    board = page.locator(".board:not([hidden])")
    heading = board.locator("thead tr:last-child th", has_text="AbsRel")
    place = heading.evaluate("th => th.cellIndex + 1")
    for direction in ("ascending", "descending"):
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == direction
        values = board.locator(f"tbody.measured td:nth-child({place})").evaluate_all(
            "cells => cells.map(cell => Number(cell.dataset.v))"
        )
        assert values == sorted(values, reverse=direction == "descending") and len(values) == 3
    assert "AbsRel" in page.locator("#status").inner_text()


def test_filters_choose_dataset_columns_and_rows(page: Any, made: Path):
    go(page, made / "index.html")
    assert len(shown(page, ".board")) == 1 and "all suites together" in shown(page, ".board h2")[0]
    page.select_option("#dataset", index=1)
    assert len(shown(page, ".board")) == 1 and "all suites" not in shown(page, ".board h2")[0]
    before = shown(page, ".board thead tr:last-child th")
    page.select_option("#frames", "10 frames, 2 apart")
    after = shown(page, ".board thead tr:last-child th")
    assert len(after) < len(before) and all("10 frames" in text for text in after[1:])
    page.select_option("#frames", "")
    page.check("#moving")
    assert sum("moving" in text for text in shown(page, ".board thead tr:last-child th")) == 1
    page.uncheck("#references")
    assert not shown(page, "tbody.references tr")
    page.select_option("#kind", "reported")
    assert not shown(page, "tbody.measured tr")
    page.select_option("#kind", "")
    page.select_option("#trained", "none")
    assert not shown(page, "tbody.measured tr")


def test_licences_and_training_data_filter_reported_rows(page: Any):
    go(page, SITE / "index.html")
    page.select_option(
        "#dataset", label=next(t for t in page.locator("#dataset option").all_inner_texts() if t.startswith("mini"))
    )
    reported = shown(page, "tbody.reported th")
    assert any(text.startswith("V-DPM") for text in reported)
    page.select_option("#trained", "Kubric")
    assert not any(text.startswith("V-DPM") for text in shown(page, "tbody.reported th"))
    page.select_option("#trained", "")
    page.select_option("#use", "closed")
    assert [text.split()[0] for text in shown(page, "tbody.reported th")] == ["DPM"]


def test_group_headings_span_the_columns_that_are_shown(page: Any, made: Path):
    go(page, made / "index.html")
    for _ in range(2):
        spans = page.locator(".board:not([hidden]) .groups th:not([hidden])").evaluate_all(
            "found => found.map(th => th.colSpan)"
        )
        assert sum(spans) == len(shown(page, ".board thead tr:last-child th")) - 1
        page.check("#moving")


def test_dangerous_names_do_no_harm(page: Any, made: Path):
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    pages = [made / name for name in ("index.html", "compare.html", "problems.html", "clips/index.html")]
    for path in [*pages, *(next(made.glob(f"{folder}/*alert*")) for folder in ("methods", "clips/first"))]:
        go(page, path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    assert not dialogs
    go(page, made / "index.html")
    link = page.locator(".board:not([hidden]) tbody.measured a", has_text="alert").first
    link.click()
    assert "alert('x')" in page.locator("h1").inner_text()


def test_the_theme_switches_and_is_remembered(page: Any):
    go(page, SITE / "index.html")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.get_by_role("button", name="Switch between light and dark").click()
    dark = page.evaluate(colour)
    assert dark != light
    page.reload()
    assert page.evaluate(colour) == dark


def test_keys_are_enough(page: Any, made: Path):
    go(page, made / "index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.locator(".board:not([hidden]) thead button").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator(".board:not([hidden]) th[aria-sort=ascending]").count() == 1


def test_it_prints(page: Any, tmp_path: Path):
    go(page, SITE / "index.html")
    page.pdf(path=tmp_path / "page.pdf", format="A4", landscape=True)
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF") and (tmp_path / "page.pdf").stat().st_size > 20_000


def test_comparisons_narrow_down(page: Any, made: Path):
    go(page, made / "compare.html")
    assert len(shown(page, "section[data-board]")) == 1
    pairs = shown(page, "section[data-board] tbody tr")
    page.locator("select[data-narrows=methods]").select_option("one")
    narrowed = shown(page, "section[data-board] tbody tr")
    assert 0 < len(narrowed) < len(pairs) and all("one" in text for text in narrowed)


def drawn_clip() -> Path:
    """The page of a clip of the committed site that has a 4D view."""
    return next(page for page in sorted((SITE / "clips").glob("*/*.html")) if list(page.with_suffix("").glob("*.html")))


def test_a_clip_opens_and_its_cloud_turns_and_plays(page: Any):
    go(page, SITE / "clips" / "index.html")
    page.locator(f"a[href$='{drawn_clip().parent.name}/{drawn_clip().name}']").last.click()
    frame = page.locator("details[open] iframe")
    frame.scroll_into_view_if_needed()
    inside = page.frame_locator("details[open] iframe")
    canvas = inside.locator("canvas").first
    canvas.wait_for()
    inside.locator("#time:not([disabled])").wait_for()
    page.wait_for_timeout(1500)
    first = frame.screenshot()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 320, box["y"] + 240, steps=4)
    page.mouse.up()
    page.wait_for_timeout(700)
    turned = frame.screenshot()
    assert turned != first
    slider = inside.locator("#time")
    slider.focus()
    page.keyboard.press("End")
    page.wait_for_timeout(700)
    assert slider.input_value() == slider.get_attribute("max") and frame.screenshot() != turned


def test_clip_pages_are_light(page: Any):
    """Everything that a clip page can load, with the largest view of 4D and what the views share."""
    shared = sum(path.stat().st_size for path in (SITE / "clips" / "viewer").glob("*"))
    assets = sum(path.stat().st_size for path in (SITE / "assets").glob("*"))
    for path in sorted((SITE / "clips").glob("*/*.html")):
        own = sum(part.stat().st_size for part in path.with_suffix("").glob("*"))
        assert path.stat().st_size + own + shared + assets <= 3_000_000, path


SOME = ["index.html", "reported.html", "methods/plane-v1.html"]
SLOWLY = pytest.mark.slow


@pytest.mark.parametrize(
    ("theme", "pages"),
    [("light", SOME), pytest.param("light", PAGES, marks=SLOWLY), pytest.param("dark", PAGES, marks=SLOWLY)],
)
def test_axe_finds_no_serious_violation(browser: Any, theme: str, pages: list[str]):
    """On every kind of page; axe is run in the page, beside the content-security policy, which would refuse it."""
    context = browser.new_context(bypass_csp=True, color_scheme=theme)
    opened, found = context.new_page(), []
    for name in [*pages, str(drawn_clip().relative_to(SITE))]:
        go(opened, SITE / name)
        opened.add_script_tag(path=str(AXE))
        result = opened.evaluate("axe.run(document, {iframes: false, resultTypes: ['violations']})")
        found += [
            f"{name}: {each['id']}: {each['nodes'][0]['html'][:160]}: {each['nodes'][0].get('failureSummary', '')[:200]}"
            for each in result["violations"] if each["impact"] in ("serious", "critical")
        ]  # fmt: skip
    context.close()
    assert not found, "\n".join(found)


def test_pages_fit_on_a_phone(browser: Any):
    opened = browser.new_page(viewport={"width": 390, "height": 844}, device_scale_factor=2, is_mobile=True)
    for name in SOME:
        go(opened, SITE / name)
        assert opened.evaluate("document.documentElement.scrollWidth") <= 390, name
    opened.close()


@pytest.mark.skipif("SCREENSHOTS" not in os.environ, reason="SCREENSHOTS names no folder")
@pytest.mark.parametrize(
    ("name", "width", "theme"), [("light", 1360, "light"), ("dark", 1360, "dark"), ("phone", 390, "light")]
)
def test_screenshots(browser: Any, name: str, width: int, theme: str):
    folder = Path(os.environ["SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    for path in ["index.html", "figures.html", "reported.html", str(drawn_clip().relative_to(SITE))]:
        go(opened, SITE / path)
        opened.wait_for_timeout(500)
        opened.screenshot(path=folder / f"{path.replace('/', '-')}-{name}.png", full_page="clips" not in path)
    opened.close()
