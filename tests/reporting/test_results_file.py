"""results.json: written, read, checked, refused."""

import json
from dataclasses import replace

import pytest

from babelrank.errors import ReportError
from babelrank.reporting.results_file import dump, json_schema, parse, read_results
from toy_reports import ROWS, edit, toy_results


def test_results_hold_the_figures_worked_out_by_hand():
    document = json.loads(dump(toy_results()[0]))
    collection = document["collections"]["xquad-r"]
    assert document["schema_version"] == 4
    assert collection["macro"]["monolingual"]["mAP"] == 1
    assert collection["macro"]["cross_lingual"]["mAP"] == pytest.approx((3 / 4 + 5 / 12) / 2, abs=1e-6)
    assert collection["macro"]["multilingual"]["mAP"] == pytest.approx(13 / 16)
    assert collection["micro"]["multilingual"]["mAP"] == pytest.approx(13 / 16)
    assert collection["macro"]["multilingual"]["rank_distance"] == 2.75
    assert collection["macro"]["multilingual"]["rank_distance_median"] == 2.75
    assert collection["macro"]["multilingual"]["rank_distance_floor"] == 1
    assert collection["macro"]["multilingual"]["rank_distance_normalised"] == 0.4375
    assert collection["pairs"]["scores"]["mAP"] == [[1, 0.75], [pytest.approx(5 / 12, abs=1e-6), 1]]
    assert collection["pairs"]["n"] == [[2, 2], [2, 2]]
    assert collection["pool"] == {"n": [2, 2], "scores": collection["pool"]["scores"]}
    assert collection["favoured"]["mean_rank"] == [[1, 3], [4.5, 1]]
    assert collection["queries"] == {"de": 2, "en": 2}
    assert collection["passages"] == {"de": 3, "en": 3}
    assert collection["evaluated"] == "2025-01-02T03:04:05Z"


def test_results_survive_a_file():
    results, _ = toy_results(("xquad-r", "mlqa-r:de,en"))
    text = dump(results)
    assert dump(parse(text, "x")) == text
    assert parse(text, "x").model == results.model


def test_a_matrix_row_stands_on_one_line():
    assert "\n            [1.0, 0.75],\n            [0.416667, 1.0]\n" in dump(toy_results()[0])


def test_where_there_is_no_value_there_is_null_not_nan():
    alone = [row for row in ROWS if row[0] == row[2]]
    document = dump(toy_results(rows=alone)[0])
    assert "NaN" not in document
    collection = json.loads(document)["collections"]["xquad-r"]
    assert collection["pairs"]["scores"]["mAP"] == [[1, None], [None, 1]]
    assert collection["macro"]["cross_lingual"]["mAP"] is None
    assert collection["rank_distance"]["mean"] == [None, None]


def test_nan_is_neither_written_nor_read():
    results, _ = toy_results()
    collection = results.collections["xquad-r"]
    broken = replace(collection, micro={"multilingual": {"mAP": float("nan")}})
    with pytest.raises(ReportError, match="NaN"):
        dump(replace(results, collections={"xquad-r": broken}))
    with pytest.raises(ReportError, match="NaN"):
        parse(dump(results).replace('"dimension": 4', '"dimension": NaN'), "x")


@pytest.mark.parametrize(("version", "remedy"), [(5, "Upgrade"), (0, "submit the model again"), ("1", "again")])
def test_another_schema_version_is_refused_with_what_to_do(version, remedy):
    text = dump(toy_results()[0]).replace('"schema_version": 4', f'"schema_version": {json.dumps(version)}')
    with pytest.raises(ReportError) as caught:
        parse(text, "some/results.json")
    assert f"some/results.json: schema version {version!r}" in str(caught.value)
    assert "reads versions 1 to 4" in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: d["model"].update(dimension="4"), "model.dimension: "),
        (lambda d: d["model"].pop("adapter"), "model.adapter: "),
        (lambda d: d["model"].update(similarity="hamming"), "model.similarity: "),
        (lambda d: d.update(extra=1), "extra: "),
        (lambda d: d["model"].update(name="<script>"), "contains <"),
        (lambda d: d["collections"]["xquad-r"].update(sha256="x"), 'collections["xquad-r"].sha256: '),
        (
            lambda d: d["collections"]["xquad-r"]["pairs"]["n"][1].pop(),
            'collections["xquad-r"].pairs.n: expected 2 rows',
        ),
        (lambda d: d["collections"]["xquad-r"]["pool"]["n"].pop(), 'collections["xquad-r"].pool.n: 1 values'),
        (
            lambda d: d["collections"]["xquad-r"]["pairs"]["scores"]["mAP"][0].__setitem__(1, "x"),
            'collections["xquad-r"].pairs.scores.mAP[0][1]: ',
        ),
        (
            lambda d: d["collections"]["xquad-r"]["macro"]["multilingual"].pop("rank_distance"),
            'collections["xquad-r"].macro.multilingual: rank_distance missing',
        ),
        (
            lambda d: d["collections"]["xquad-r"].update(
                ranks={"file": "../x", "sha256": "0" * 64, "rows": 1, "tied": 0}
            ),
            'collections["xquad-r"].ranks.file: ',
        ),
    ],
)
def test_an_invalid_field_is_named(tmp_path, change, place):
    path = tmp_path / "results.json"
    path.write_text(dump(toy_results()[0]))
    edit(path, change)
    with pytest.raises(ReportError) as caught:
        read_results(path)
    assert str(path) in str(caught.value)
    assert place in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"{}"])
def test_what_is_no_results_file_is_refused(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_bytes(content)
    with pytest.raises(ReportError, match="not"):
        read_results(path)
    with pytest.raises(ReportError, match="not found"):
        read_results(tmp_path / "missing.json")


def test_the_schema_describes_every_field():
    schema = json_schema()
    sections = {"Results": schema, **schema["$defs"]}
    fields = {
        (name, key): value for name, section in sections.items() for key, value in section.get("properties", {}).items()
    }
    assert len(fields) > 60
    assert [field for field, value in fields.items() if not value.get("description")] == []
    assert schema["properties"]["schema_version"]["const"] == 4
    assert "schema_version" in schema["required"]


def test_json_that_is_nested_too_deeply_is_refused(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(ReportError, match=r"results\.json: not JSON"):
        read_results(path)
