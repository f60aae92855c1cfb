"""leaderboard.html as readers have it: sorted, filtered, as a plot, in a real browser."""

import csv
import re
from itertools import pairwise

import pytest

from babelrank.reporting.report import find_report
from browsing import PHONE, REPORTS, choose, column, names, texts


def test_a_column_is_sorted_by_mouse_best_first_and_back(visit):
    page = visit("leaderboard.html")
    head = page.get_by_role("columnheader", name="rank distance (spread)", exact=True).locator("visible=true")
    distances = [float(text.replace(",", "")) for text in column(page, "rank_distance")]
    for way, expected in (("ascending", sorted(distances)), ("descending", sorted(distances, reverse=True))):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == way
        assert [float(text.replace(",", "")) for text in column(page, "rank_distance")] == expected
    assert page.locator("[aria-sort] >> visible=true").count() == 1
    assert texts(page, ".rank") == [str(i + 1) for i in range(len(distances))]
    assert "by rank distance (spread), highest first" in page.locator("#_status").inner_text()


def test_a_column_is_sorted_by_keyboard(visit):
    page = visit("leaderboard.html")
    page.get_by_role("columnheader", name="model").get_by_role("button").locator("visible=true").focus()
    page.keyboard.press("Enter")
    assert names(page) == sorted(names(page), key=str.lower)
    page.keyboard.press("Space")
    assert names(page) == sorted(names(page), key=str.lower, reverse=True)


def test_on_a_phone_the_sorted_column_is_pinned_next_to_the_name(visit):
    page = visit("leaderboard.html", viewport=PHONE)
    table, row = page.locator(".board:not([hidden]) .scroll").first, page.locator("tbody tr >> visible=true").first
    table.evaluate("element => { element.scrollLeft = element.scrollWidth }")
    name, pinned = row.locator("th").bounding_box(), row.locator(".sorted").bounding_box()
    assert pinned["x"] == pytest.approx(name["x"] + name["width"], abs=1)
    assert pinned["x"] + pinned["width"] < PHONE["width"]


def test_what_has_no_value_comes_last_either_way(visit):
    page = visit("leaderboard.html")
    button = page.get_by_role("button", name="parameters").locator("visible=true")
    for _ in range(2):
        button.click()
        assert column(page, "parameters")[-1] == "–"


def test_models_are_filtered_by_name_kind_and_size(visit):
    page = visit("leaderboard.html")
    page.get_by_label("All variants").check()
    everyone = names(page)
    status = page.locator("#_status")
    page.get_by_label("Name").fill("SMALL 4-bit")
    found = [name for name in everyone if "small" in name and "4-bit" in name]
    assert 1 < len(found) < len(everyone)
    assert names(page) == found
    assert status.inner_text().startswith(f"{len(found)} of {len(everyone)} models")
    assert page.locator(".point").count() == len(found)
    page.get_by_label("Name").fill("")
    page.get_by_label("Kind").select_option("sparse")
    assert names(page) == ["bm25"]
    page.get_by_label("Kind").select_option("")
    page.get_by_label("at least").fill("60")
    page.get_by_label("at most").fill("100")
    assert names(page) == [name for name in everyone if "use-" in name]  # 69 million parameters
    page.get_by_label("at least").fill("1000")
    assert names(page) == []
    assert page.get_by_text("No model matches.").locator("visible=true").is_visible()
    page.get_by_role("button", name="Reset").click()
    assert len(names(page)) < len(everyone)


def test_variants_are_folded_under_their_base_model(visit):
    page = visit("leaderboard.html")
    heads = names(page)
    trained = {path.name for path in REPORTS.glob("me5-small-batches-*")}
    assert not trained & {*heads}
    fold = page.get_by_role("button", name=re.compile("[0-9]+ variants")).first
    count = int(re.search("[0-9]+", fold.inner_text()).group())
    assert fold.get_attribute("aria-expanded") == "false"
    fold.click()
    assert fold.get_attribute("aria-expanded") == "true"
    opened = names(page)
    assert opened[0] == heads[0]
    assert trained < {*opened[1 : count + 1]}
    assert not {*opened[1 : count + 1]} & {*heads}
    assert [name for name in opened if name in heads] == heads
    scores = [float(text.split()[0]) for text in column(page, "mAP/Mul.")]
    assert scores[1 : count + 1] == sorted(scores[1 : count + 1], reverse=True)
    assert [text for text in texts(page, ".rank") if text] == [str(i + 1) for i in range(len(heads))]
    fold.click()
    assert names(page) == heads


def test_another_measure_and_collection_keep_the_order_by_the_same_average(visit):
    page = visit("leaderboard.html")
    choose(page, "R@1")
    scores = column(page, "R@1/Mul.")
    assert scores == sorted(scores, reverse=True)
    assert texts(page, "[scope=colgroup][data-measure]") == ["R@1 ↑"]
    choose(page, "mlqa-r")
    assert texts(page, ".board h2") == ["mlqa-r"]
    scores = column(page, "R@1/Mul.")
    assert scores == sorted(scores, reverse=True)
    assert "by Mul. R@1" in page.locator("#_status").inner_text()


def test_the_plot_has_a_point_for_each_line_where_its_figures_are(visit):
    page = visit("leaderboard.html")
    links = page.locator(".plot a")
    assert links.count() == len(names(page))
    points = [
        (link.get_attribute("aria-label"), link.locator(".shape").bounding_box(), link.get_attribute("href"))
        for link in links.all()
    ]
    told = [re.fullmatch(r"(.*): Mul\. mAP ([\d.]+), language effect ([\d,.]+)(; .*)?", label) for label, *_ in points]
    assert [match[1] for match in told] == names(page)
    assert [href for *_, href in points] == [
        a.get_attribute("href") for a in page.query_selector_all(".board:not([hidden]) tbody tr:not([hidden]) a")
    ]
    by_bias = sorted(range(len(points)), key=lambda i: float(told[i][3].replace(",", "")))
    lefts = [points[i][1]["x"] for i in by_bias]
    assert lefts == sorted(lefts)
    by_accuracy = sorted(range(len(points)), key=lambda i: float(told[i][2]))
    tops = [points[i][1]["y"] for i in by_accuracy]
    assert all(below > above - 0.5 for below, above in pairwise(tops))
    # Centring gives the best accuracy, hybrid batches the least bias.
    assert {match[1] for match in told if match[4]} >= {names(page)[0], told[by_bias[0]][1]}


def test_a_point_tells_its_figures_on_focus_and_hover(visit):
    page = visit("leaderboard.html")
    point = page.locator(".plot a").first
    point.focus()
    tip = page.locator("#_tip")
    assert tip.inner_text().split("\n\n")[0] == names(page)[0]
    assert "language effect" in tip.inner_text()
    assert page.locator("tr.lit").count() == 1
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.locator(".plot a").last.locator(".shape").hover()
    assert tip.is_visible()


def test_the_plot_can_show_the_monolingual_average(visit):
    page = visit("leaderboard.html")
    before = page.locator(".plot a .shape").first.bounding_box()
    choose(page, "Mo.")
    assert "Mo. mAP" in page.locator(".plot a").first.get_attribute("aria-label")
    assert page.locator(".plot a .shape").first.bounding_box() != before


def pick(page, side, *codes):
    page.locator("#_languages").evaluate("details => (details.open = true)")
    group = page.get_by_role("group", name=f"{side} in")
    for code in codes:
        group.get_by_label(code, exact=True).check()


def test_scores_are_averaged_over_the_picked_languages(visit):
    page = visit("leaderboard.html")
    page.get_by_label("All variants").check()
    before = {key: column(page, key) for key in ("mAP/Mo.", "mAP/Cr.", "mAP/Mul.", "language_effect")}
    pick(page, "Queries", "de", "tr")
    pick(page, "Passages", "de", "ar")
    last = "Unknown size"  # a made-up row: the last model under another name
    results = {name: find_report(name, REPORTS).collections["xquad-r"] for name in names(page) if name != last}
    for key, cells in (
        ("mAP/Mo.", [("de", "de")]),
        ("mAP/Cr.", [("de", "ar"), ("tr", "de"), ("tr", "ar")]),
        ("mAP/Mul.", [("de", None), ("tr", None)]),
    ):
        shown = dict(zip(names(page), map(float, column(page, key)), strict=True))
        expected = {name: mean_of(result, cells) for name, result in results.items()}
        assert {name: shown[name] for name in expected} == pytest.approx(expected, abs=6e-4)
    assert "queries in de, tr, passages in de, ar" in page.locator("#_status").inner_text()
    scores = [float(text) for text in column(page, "mAP/Mul.")]
    assert scores == sorted(scores, reverse=True)
    page.get_by_role("button", name="Reset").click()
    page.get_by_label("All variants").check()
    assert {key: column(page, key) for key in before} == before


def mean_of(result, cells):
    at = result.languages.index
    scores = [
        result.pool.scores["mAP"][at(query)] if passage is None else result.pairs.scores["mAP"][at(query)][at(passage)]
        for query, passage in cells
    ]
    return sum(scores) / len(scores)


def test_every_choice_is_in_the_address(visit):
    page = visit("leaderboard.html")
    choose(page, "mlqa-r")
    choose(page, "nDCG@10")
    page.get_by_label("Name").fill("e5")
    page.get_by_label("All variants").check()
    pick(page, "Queries", "de")
    page.get_by_role("columnheader", name="Cr.").get_by_role("button").locator("visible=true").click()
    shown, address = (names(page), column(page, "nDCG@10/Cr.")), page.url
    assert {"mlqa-r", "measure=nDCG%4010", "from=de", "name=e5", "variants=all"} <= set(re.split("[#?&]", address))
    page.goto("about:blank")
    page.goto(address)
    assert (names(page), column(page, "nDCG@10/Cr.")) == shown
    assert texts(page, ".board h2") == ["mlqa-r"]


def test_an_address_with_nonsense_shows_the_first_board(visit):
    page = visit("leaderboard.html")
    address = page.url.partition("#")[0]
    page.goto("about:blank")
    page.goto(f"{address}#nope?measure=mBP&sort=-nope&from=xx,de&least=many")
    assert texts(page, ".board h2") == ["xquad-r"]
    assert len(names(page)) > 3


def test_what_is_shown_can_be_downloaded(visit):
    page = visit("leaderboard.html")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    assert waiting.value.suggested_filename == "xquad-r.csv"
    rows = list(csv.DictReader(waiting.value.path().read_text(encoding="utf-8").splitlines()))
    assert [row["name"] for row in rows] == names(page)
    assert [f"{float(row['mAP/Mul.']):.3f}" for row in rows] == [text.split()[0] for text in column(page, "mAP/Mul.")]
    assert not any(key.startswith("R@1/") for key in rows[0])
