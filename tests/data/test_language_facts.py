"""Facts about languages, and distances between them."""

import csv
import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langcodes import Language

import babelrank.data.language_facts as module
from babelrank.data.language_facts import (
    DISTANCE_KINDS,
    LanguageFacts,
    language_facts,
    parse_languages,
    typological_distance,
)
from babelrank.errors import DataError

COLLECTIONS = {
    "XQuAD-R": "ar de el en es hi ru th tr vi zh",
    "MLQA-R": "ar de en es hi vi zh",
    "MIRACL": "ar bn de en es fa fi fr hi id ja ko ru sw te th yo zh",
    "MKQA": "ar da de en es fi fr he hu it ja km ko ms nl no pl pt ru sv th tr vi zh",
    "mMARCO": "ar de en es fr hi id it ja nl pt ru vi zh",
    "XOR-TyDi": "ar bn en fi ja ko ru te",
    "NTREX-128": "af am ar az ba be bem bg bn bo bs ca ckb cs cy da de dv dz ee el en es et eu fa ff fi fil fj fo fr "
    "ga gl gu ha he hi hmn hr hu hy id ig is it ja ka kk km kn ko ku ky lb lo lt lv mey mg mi mk ml mn "
    "mr ms mt my nb nd ne nl nn nso ny om pa pl ps pt ro ru rw sd shi si sk sl sm sn so sq sr ss sv sw "
    "ta te tg th ti tk tn to tr tt ty ug uk ur uz ve vi wo xh yo yue zh zu",
    "AfriQA": "ak bem en fon fr ha ig rw sw yo zu",
}
WITHOUT_GENUS = {"dz", "fil"}  # in WALS
WITHOUT_CLASS = {"bem", "mey", "nd", "shi"}  # in the paper's list
LANGUAGES = sorted({code for codes in COLLECTIONS.values() for code in codes.split()})
codes = st.sampled_from(LANGUAGES)


def test_facts_of_a_language():
    assert language_facts("el") == LanguageFacts("el", "Grek", "Indo-European", "Greek", 3, (38.36, 23.13))
    assert language_facts("yo") == LanguageFacts("yo", "Latn", "Atlantic-Congo", "Defoid", 2, (7.15, 3.67))


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_of_the_collections_has_all_facts(code):
    facts = language_facts(code)
    assert None not in (facts.script, facts.family, facts.coordinates)
    assert (facts.genus is None) == (code in WITHOUT_GENUS)
    assert (facts.resource_class not in range(6)) == (code in WITHOUT_CLASS)


def test_the_table_holds_no_other_languages_and_no_stranger_glottocodes():
    lines = Path(module.__file__).with_name("language_facts.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert [row["code"] for row in rows] == LANGUAGES
    assert len({row["glottocode"] for row in rows}) == len(LANGUAGES)


def test_languages_of_one_genus_are_of_one_family():
    for a, b in itertools.combinations(map(language_facts, LANGUAGES), 2):
        if a.genus is not None and a.genus == b.genus:
            assert a.family == b.family


def test_resource_classes_are_those_of_the_paper():
    """Examples of classes 5, 4 and 3 in table 1 of arXiv 2004.09095."""
    examples = {5: "en es de ja fr", 4: "ru hu vi nl ko", 3: "id he"}
    for resource_class, languages in examples.items():
        assert {language_facts(code).resource_class for code in languages.split()} == {resource_class}


@pytest.mark.parametrize("code", ["xx", "klingon!", "", "und"])
def test_nothing_is_guessed_about_an_unknown_code(code):
    assert language_facts(code) == LanguageFacts(code)
    assert typological_distance(code, "en", "genetic") is None
    assert typological_distance(code, code, "genetic") is None


def test_a_fallback_of_the_library_is_not_taken_for_a_script():
    assert Language.get("aaa").maximize().script == "Latn"  # Ghotuo is not in CLDR's list
    assert language_facts("aaa").script is None
    assert language_facts("ln") == LanguageFacts("ln", script="Latn")  # Lingala is, and stands in no table of ours


@pytest.mark.parametrize(("code", "script"), [("zh", "Hans"), ("zh-TW", "Hant"), ("zh_hk", "Hant"), ("zh_cn", "Hans")])
def test_a_longer_tag_has_its_own_script_and_its_languages_facts(code, script):
    facts = language_facts(code)
    assert (facts.code, facts.script, facts.family) == (code, script, "Sino-Tibetan")
    assert typological_distance(code, "en", "syntactic") == typological_distance("zh", "en", "syntactic")


@given(codes, codes, st.sampled_from(DISTANCE_KINDS))
def test_distances_are_symmetric_shares(a, b, kind):
    distance = typological_distance(a, b, kind)
    assert distance == typological_distance(b, a, kind)
    if a == b:
        assert distance == 0
    elif distance is not None:  # of near relatives, such as Indonesian and Malay, it can be 0
        assert 0 <= distance <= 1


@given(codes, codes)
def test_the_genetic_distance_is_1_exactly_between_families(a, b):
    """Members of one family share at least its top node."""
    same = language_facts(a).family == language_facts(b).family
    assert (typological_distance(a, b, "genetic") < 1) == same


def test_all_distances_of_xquad_r_are_known():
    for pair in itertools.combinations(COLLECTIONS["XQuAD-R"].split(), 2):
        assert None not in [typological_distance(*pair, kind) for kind in DISTANCE_KINDS]


def test_distances_by_hand():
    """Greek and Russian share the top of their 5 and 4 nodes of the tree; coordinates are Glottolog's."""
    expected = 2 / math.pi * math.acos(1 / math.sqrt(5 * 4))
    assert typological_distance("el", "ru", "genetic") == pytest.approx(expected, abs=1e-4)
    english, hindi = (math.radians(53), math.radians(-1)), (math.radians(25), math.radians(77))
    cosine = math.sin(english[0]) * math.sin(hindi[0]) + math.cos(english[0]) * math.cos(hindi[0]) * math.cos(
        english[1] - hindi[1]
    )
    assert typological_distance("en", "hi", "geographic") == pytest.approx(math.acos(cosine) / math.pi, abs=1e-4)


def test_a_distance_without_features_is_unknown():
    assert typological_distance("da", "en", "phonological") is None
    assert typological_distance("da", "en", "featural") is None  # one of its three parts is missing
    assert typological_distance("da", "en", "syntactic") is not None


def test_an_unknown_kind_is_refused():
    with pytest.raises(DataError, match=r"unknown kind of distance 'genetics'\. Did you mean 'genetic'"):
        typological_distance("en", "de", "genetics")


def test_languages_are_read_from_a_list():
    assert parse_languages("en, de,en,zh-TW") == ["de", "en", "zh-TW"]
    assert parse_languages("EN,eng,deu,zh-tw") == ["de", "en", "zh-TW"]


@pytest.mark.parametrize("text", ["", ",", "en,notacode", "en;de"])
def test_what_is_no_list_of_languages_is_refused(text):
    with pytest.raises(DataError, match="ISO 639-1 codes separated by commas"):
        parse_languages(text)
