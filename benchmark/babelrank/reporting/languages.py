"""Names of languages, for people."""

from functools import cache

from langcodes import Language, LanguageTagError


@cache
def language_name(code: str) -> str:
    """Return the English name with the code, ``German (de)``; the code alone if it is none of ISO 639."""
    try:
        name = Language.get(code).display_name()
    except LanguageTagError:
        return code
    return code if name.startswith("Unknown language") else f"{name} ({code})"
