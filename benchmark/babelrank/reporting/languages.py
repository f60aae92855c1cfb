"""Names of languages, for people."""

from functools import cache

from langcodes import Language, LanguageTagError


@cache
def language_name(code: str) -> str:
    """Return the English name with the code, such as ``German (de)``; only the code if it is not in ISO 639."""
    try:
        name = Language.get(code).display_name()
    except LanguageTagError:
        return code
    return code if name.startswith("Unknown language") else f"{name} ({code})"


def short_name(code: str) -> str:
    """Return the English name without the code, such as ``German``; the code if the name is unknown."""
    return language_name(code).removesuffix(f" ({code})")
