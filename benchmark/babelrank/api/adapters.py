"""The installed adapters. Nothing here loads a model or a library that is slow to import."""

from dataclasses import dataclass

from babelrank.encoding.registry import adapter_names, load_adapter
from babelrank.errors import EncoderError


@dataclass(frozen=True)
class AdapterEntry:
    """An installed adapter.

    Attributes
    ----------
    name
        Name, for the argument ``adapter=``.
    models
        Names of the models that it loads.
    requires
        Extra that it needs.
    problem
        Why it cannot be used; empty if it can.
    """

    name: str
    models: str = ""
    requires: str = ""
    problem: str = ""

    def __str__(self) -> str:
        needs = f" (needs {self.requires})" if self.requires else ""
        return f"{self.name}: {self.problem or self.models}{needs}"


def list_adapters() -> list[AdapterEntry]:
    """Return the installed adapters, with the models that each one loads and the extras that it needs.

    Examples
    --------
    >>> import babelrank
    >>> "sentence-transformers" in [entry.name for entry in babelrank.list_adapters()]
    True
    """
    entries = []
    for name in adapter_names():
        try:
            adapter = load_adapter(name)
        except EncoderError as error:
            entries.append(AdapterEntry(name, problem=str(error)))
        else:
            entries.append(AdapterEntry(name, adapter.models, adapter.requires or ""))
    return entries
