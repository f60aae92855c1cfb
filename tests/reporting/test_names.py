import re

import pytest

from babelrank.errors import ReportError
from babelrank.reporting.names import check_name, collection_stem, default_name, public_label, short_collection, slug


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is empty"),
        ("x" * 121, "121 characters"),
        ("../x", "begins with '.'"),
        ("a/../b", "'..'"),
        ("a/..", "'..'"),
        ("/etc/passwd", "begins with '/'"),
        (".hidden", "begins with '.'"),
        ("--out", "begins with '-'"),
        ("<script>", "contains < at position 1"),
        ("a&b", "contains & at position 2"),
        ('a"b', 'contains "'),
        ("a'b", "contains '"),
        ("a`b", "contains `"),
        ("a|b", "contains |"),
        ("a\\b", "contains \\"),
        ("a\nb", "U+000A at position 2"),
        ("a\x1b[31m", "U+001B"),
        ("a\u202eb", "U+202E"),
        ("a\u2028b", "U+2028"),
        (" a", "a space"),
    ],
)
def test_a_name_that_could_do_harm_is_refused_with_what_is_allowed(name, problem):
    with pytest.raises(ReportError) as caught:
        slug(name)
    assert problem in str(caught.value)
    assert "Allowed: 1 to 120" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["x", "org/model", "E5 (4-bit) v1..2", "模型", "e5 [dtype=float16]", "x" * 120])
def test_usual_names_pass_unchanged(name):
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("org/model", "org-model"),
        ("BAAI/bge-m3_v1.5", "baai-bge-m3-v1.5"),
        ("e5 [dtype=float16, max_length=128]", "e5-dtype-float16-max-length-128"),
        ("a. .b", "a-b"),
        ("a..", "a"),
        ("模型", "mo-xing"),
    ],
)
def test_slugs_are_safe_folder_names(name, folder):
    assert slug(name) == folder


def test_a_slug_is_never_empty_nor_too_long():
    assert slug("!!!").startswith("model-")
    assert slug("!!!") != slug("???")
    assert len(slug("模" * 120)) <= 120
    assert slug("模" * 120) != slug("模" * 119)


def test_settings_tell_two_submissions_of_a_model_apart():
    assert default_name("e5", {}) == "e5"
    assert default_name("e5", {"max_length": 128, "dtype": "float16"}) == "e5 [dtype=float16, max_length=128]"
    prompts = ["", "query: ", "query:", "<query>\n", "q" * 500]
    slugs = {slug(default_name("e5", {"query_prompt": prompt})) for prompt in prompts}
    assert len(slugs) == len(prompts)


def test_a_default_name_is_valid_however_many_settings_there_are():
    names = [default_name("organisation/model", {f"option_{i}": i + j for i in range(20)}) for j in range(2)]
    assert slug(names[0]) != slug(names[1])


def test_a_path_is_not_published(tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    assert public_label(str(folder)) == "checkpoint"
    assert public_label("/no/such/folder") == "folder"
    assert public_label("org/model") == "org/model"


def test_collections_have_distinct_file_names():
    names = ["mlqa-r", "mlqa-r:de,en", "mlqa-r:sentence+context", "mlqa-r:sentence+context:de,en", "xquad-r:paragraph"]
    names += ["sample:de,en", "beir:scifact", "miracl:sw", "local:own"]
    assert [collection_stem(name) for name in names] == [
        "mlqa-r",
        "mlqa-r.de-en",
        "mlqa-r.sentence-context",
        "mlqa-r.sentence-context.de-en",
        "xquad-r.paragraph",
        "sample.de-en",
        "beir.scifact",
        "miracl.sw",
        "local.own",
    ]


def test_long_names_of_collections_are_shortened():
    names = [
        f"local:{'n' * 240}",
        f"local:{'n' * 239}",
        f"ntrex:lead:{','.join(['de'] * 127)}",
        f"beir:{'é' * 100}:dev",
    ]
    stems = [collection_stem(name) for name in names]
    assert len(set(stems)) == len(names)
    assert all(re.fullmatch(r"[a-z.-]+-[0-9a-f]{8}", stem) and len(stem) <= 70 for stem in stems)


@pytest.mark.parametrize(
    ("collection", "short"),
    [
        ("xquad-r", "xquad-r"),
        ("xquad-r:ar,de,en", "xquad-r:ar,de,en"),
        ("ntrex:lead:af,am,ar,az,ba,be,bg,bn", "ntrex:lead:af,am,ar,az,ba,be,bg,bn"),
        ("ntrex:lead:af,am,ar,az,ba,be,bg,bn,bo", "ntrex:lead (9 languages)"),
    ],
)
def test_many_languages_are_counted_in_short_names(collection, short):
    assert short_collection(collection) == short


def test_folders_whose_names_differ_a_little_have_distinct_file_names():
    folders = ["foo-bar", "foo_bar", "foo,bar", "foo bar", "Foo-bar", "foo--bar", "foo-bar-", "模型", "mo-xing", "_"]
    stems = [collection_stem(f"local:{folder}") for folder in folders]
    assert stems[0] == "local.foo-bar"
    assert len(set(stems)) == len(folders)
    assert all(re.fullmatch(r"local\.[a-z0-9-]+", stem) for stem in stems)
