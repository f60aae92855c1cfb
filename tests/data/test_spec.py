"""The grammar of specifications: what names a collection, and what does not."""

from dataclasses import replace

import pytest

from babelrank.data.spec import Spec, parse_spec, parse_specs, source_of_name
from babelrank.errors import DataError


@pytest.mark.parametrize(
    ("text", "candidates", "languages"),
    [
        ("xquad-r", "sentence", ()),
        ("xquad-r:sentence", "sentence", ()),
        ("xquad-r:paragraph", "paragraph", ()),
        ("xquad-r:sentence+context", "sentence+context", ()),
        ("xquad-r:de,en", "sentence", ("de", "en")),
        ("xquad-r:en,de,en", "sentence", ("de", "en")),
        ("xquad-r:paragraph:th", "paragraph", ("th",)),
    ],
)
def test_a_specification_names_collection_candidates_and_languages(text, candidates, languages):
    spec = parse_spec(text)
    assert (spec.source, spec.place, spec.candidates, spec.languages) == ("lareqa", "xquad-r", candidates, languages)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mlqa-r:sentence", "mlqa-r"),
        ("mlqa-r:en,de", "mlqa-r:de,en"),
        ("mlqa-r:sentence:en,de,de", "mlqa-r:de,en"),
        ("mlqa-r:paragraph:de", "mlqa-r:paragraph:de"),
        ("mlqa-r:zh,vi,hi,es,en,de,ar", "mlqa-r"),
        ("mlqa-r:paragraph:zh,vi,hi,es,en,de,ar", "mlqa-r:paragraph"),
        ("sample:ar,de,el,en,es,hi,ru,th,tr,vi,zh", "sample"),
    ],
)
def test_specifications_that_mean_the_same_have_one_name(text, name):
    assert str(parse_spec(text)) == name
    assert parse_spec(name) == parse_spec(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("xqaud-r", r"unknown collection 'xqaud-r'\. Did you mean 'xquad-r'\? Known: .*mteb, ntrex, sample, xquad-r"),
        ("", r"unknown collection ''\. Known: "),
        ("../xquad-r", r"unknown collection '\.\./xquad-r'"),
        ("xquad-r:fr", r"xquad-r: unknown language 'fr'\..* Known: ar, de, el"),
        ("mlqa-r:de,ru", r"mlqa-r: unknown language 'ru'\."),
        ("sample:xx", r"sample: unknown language 'xx'\."),
        ("xquad-r:paragrph", r"xquad-r: unknown language 'paragrph'\. Did you mean 'paragraph'\?"),
        ("xquad-r:", r"xquad-r: unknown language ''\."),
        ("xquad-r:de,,en", r"xquad-r: unknown language ''\."),
        ("xquad-r:paragraph:de:en", r"'xquad-r:paragraph:de:en': expected NAME\[:CANDIDATES\]\[:LANG,LANG…\]"),
        ("xquad-r:de:paragraph", r"'xquad-r:de:paragraph': expected NAME"),
    ],
)
def test_a_specification_that_names_nothing_is_refused_with_what_there_is(text, message):
    with pytest.raises(DataError, match=message):
        parse_spec(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("beir:scifact", Spec("beir", "scifact")),
        ("beir:scifact:train", Spec("beir", "scifact", split="train")),
        ("beir:/a/b:dev", Spec("beir", "/a/b", split="dev")),
        ("beir:/a:1/b", Spec("beir", "/a:1/b")),
        ("beir:/a:1:test", Spec("beir", "/a:1")),
        ("beir:org/name", Spec("beir", "org/name")),
        ("beir:a:test", Spec("beir", "a")),
        ("beir:msmarco", Spec("beir", "msmarco")),
        ("beir:msmarco:dev", Spec("beir", "msmarco")),
        ("beir:msmarco:test", Spec("beir", "msmarco", split="test")),
        ("beir:/a/b@deu", Spec("beir", "/a/b", languages=("de",))),
        ("beir:org/name:dev@zh-Hant", Spec("beir", "org/name", split="dev", languages=("zh-Hant",))),
        ("beir:a@de@en", Spec("beir", "a@de", languages=("en",))),
        ("beir:user@host.org/a", Spec("beir", "user@host.org/a")),
        ("hf:org/name", Spec("hf", "org/name")),
        ("hf:org/name:de,en", Spec("hf", "org/name", subsets=("de", "en"))),
        ("hf:org/name:ara-eng:dev", Spec("hf", "org/name", split="dev", subsets=("ara-eng",))),
        ("hf:org/name:validation", Spec("hf", "org/name", split="validation")),
        ("hf:org/name:test", Spec("hf", "org/name")),
        ("hf:org/name::small@de", Spec("hf", "org/name", languages=("de",), split="small")),
        ("hf:/a:1/b:mlqa.ar.de", Spec("hf", "/a:1/b", subsets=("mlqa.ar.de",))),
        ("mteb:Task:deu-deu,eng-deu:dev", Spec("mteb", "Task", split="dev", subsets=("deu-deu", "eng-deu"))),
        ("ir_datasets:a/b", Spec("ir_datasets", "", subsets=("a/b",))),
        ("ir_datasets:a/de,a/fr@de", Spec("ir_datasets", "", languages=("de",), subsets=("a/de", "a/fr"))),
        ("miracl:sw", Spec("miracl", "", languages=("sw",))),
        ("miracl:/a:b/c:sw", Spec("miracl", "/a:b/c", languages=("sw",))),
        ("local:no:where", Spec("local", "no:where")),
        ("mine:own", Spec("local", "own")),
    ],
)
def test_a_specification_names_a_folder_or_a_repository(text, expected):
    spec = parse_spec(text)
    assert spec == expected
    assert parse_spec(str(spec)) == spec


def test_specifications_of_several_collections_are_taken_apart():
    specs = parse_specs(["xquad-r:paragraph:de,en", "miracl:te,sw,te", "beir:/a/b", "mine:x"])
    expanded = ["xquad-r:paragraph:de,en", "miracl:sw", "miracl:te", "beir:/a/b", "local:x"]
    assert [str(spec) for spec in specs] == expanded
    assert parse_specs(expanded) == specs
    with pytest.raises(DataError, match=r"'miracl:te,sw' names 2 collections; expected one, such as miracl:sw\."):
        parse_spec("miracl:te,sw")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("beir", r"'beir': expected beir:NAME_OR_DIR\[:SPLIT\]"),
        ("beir:", r"'beir:': expected beir:NAME_OR_DIR\[:SPLIT\]"),
        ("beir:x:", r"'beir:x:': expected beir:NAME_OR_DIR\[:SPLIT\]"),
        ("local:", r"'local:': expected local:DIR"),
        ("hf:", r"'hf:': expected hf:ORG/NAME"),
        ("ir_datasets:a,,b", r"'ir_datasets:a,,b': expected ir_datasets:ID\[,ID…\]\[@LANG\]"),
        ("miracl", r"'miracl': expected miracl:\[DIR:\]LANG\[,LANG…\], such as miracl:sw,te"),
        ("miracl:sw:", r"'miracl:sw:': expected miracl:\[DIR:\]LANG"),
        ("miracl:sw,xx", r"unknown language 'xx'.* Known: ar, bn, de, .*Expected miracl:\[DIR:\]LANG"),
        ("beir:x@xx", r"'x@xx': 'xx' is not a language code such as 'de'"),
        ("hf:org/x:de@german", r"'org/x:de@german': 'german' is not a language code"),
        ("bier:scifact", r"unknown collection 'bier'\. Did you mean 'beir'"),
    ],
)
def test_a_specification_without_a_place_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        parse_spec(text)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("xquad-r:paragraph", "lareqa"),
        ("miracl:sw", "miracl"),
        ("beir:a", "beir"),
        ("mine:a", "local"),
        ("toy", "frames"),
    ],
)
def test_the_source_follows_from_the_name(name, source):
    assert source_of_name(name) == source


@pytest.mark.parametrize("name", ["a:b", "a:test", "a@de", "de:en@fr:dev"])
@pytest.mark.parametrize("source", ["beir", "hf", "local"])
def test_a_folder_that_exists_is_the_folder_whatever_its_name(source, name, tmp_path):
    (tmp_path / name).mkdir()
    (tmp_path / "a").mkdir()
    place = f"{tmp_path}/{name}"
    spec = parse_spec(f"{source}:{place}")
    assert spec == Spec(source, place)
    assert parse_spec(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("beir:{}:dev@de", Spec("beir", "{}", split="dev", languages=("de",))),
        ("hf:{}:de", Spec("hf", "{}", subsets=("de",))),
        ("hf:{}:de,en:dev@fr", Spec("hf", "{}", subsets=("de", "en"), split="dev", languages=("fr",))),
        ("miracl:{}:sw", Spec("miracl", "{}", languages=("sw",))),
        ("local:{}@human", Spec("local", "{}", variant="human")),
    ],
)
def test_parts_follow_a_folder_with_a_colon_in_its_name(text, expected, tmp_path):
    (tmp_path / "a:b").mkdir()
    place = str(tmp_path / "a:b")
    assert parse_spec(text.format(place)) == replace(expected, place=place)


@pytest.mark.parametrize("text", ["hf::de", "mteb::de", "hf:@de"])
def test_a_specification_without_a_name_is_refused(text):
    with pytest.raises(DataError, match="expected "):
        parse_spec(text)
