"""The JSON Schema of results.json. It is a file of the package, so reading it needs no slow imports."""

import json
from importlib.resources import files
from typing import Any

FILE_NAME = "results.schema.json"


def results_schema() -> dict[str, Any]:
    """Return the JSON Schema of results.json.

    Examples
    --------
    >>> import babelrank
    >>> "collections" in babelrank.results_schema()["properties"]
    True
    """
    schema: dict[str, Any] = json.loads(files("babelrank.reporting").joinpath(FILE_NAME).read_text(encoding="utf-8"))
    return schema
