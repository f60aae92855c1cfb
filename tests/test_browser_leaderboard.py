"""leaderboard.html as readers have it: sorted, filtered, as a plot, in a real browser."""

import re
from itertools import pairwise

from browsing import choose, column, names, texts


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
    assert names(page) == ["use-multilingual-v3"]
    page.get_by_label("at least").fill("1000")
    assert names(page) == []
    assert page.get_by_text("No model matches.").locator("visible=true").is_visible()
    page.get_by_role("button", name="Reset").click()
    assert len(names(page)) < len(everyone)


def test_variants_are_folded_under_their_base_model(visit):
    page = visit("leaderboard.html")
    heads = names(page)
    assert not [name for name in heads if name.startswith("me5-small")]
    fold = page.get_by_role("button", name="21 variants")
    assert fold.get_attribute("aria-expanded") == "false"
    fold.click()
    assert fold.get_attribute("aria-expanded") == "true"
    opened = names(page)
    assert opened[0] == heads[0]
    assert opened[1].startswith("me5-small")
    assert [name for name in opened if name in heads] == heads
    scores = [float(text.split()[0]) for text in column(page, "mAP/Mul.")]
    assert scores[1:22] == sorted(scores[1:22], reverse=True)
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
