"""What all errors on purpose have in common."""

import pytest

from babelrank import errors


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("bluu", "unknown colour 'bluu'. Did you mean 'blue'? Known: blue, red."),
        ("xyz", "unknown colour 'xyz'. Known: blue, red."),
        ("", "unknown colour ''. Known: blue, red."),
    ],
)
def test_an_unknown_choice_is_told_with_what_may_have_been_meant(given, message):
    assert errors.unknown_choice("colour", given, ["red", "blue"]) == message


def test_that_there_is_no_choice_is_said():
    assert errors.unknown_choice("colour", "x", []) == "unknown colour 'x'. Known: none."


def test_all_errors_on_purpose_can_be_caught_as_one():
    for kind in (errors.DataError, errors.EncoderError, errors.ReportError):
        assert issubclass(kind, errors.BabelrankError)
