"""Find the base models of variants."""

from collections.abc import Iterable, Sequence

from babelrank.reporting.results import ModelResults


def base_names(models: Iterable[ModelResults]) -> dict[str, str]:
    """Return the name of each model's base model, by the model's name. A model that is not a variant is its own base.

    A base model is identified by its name in reports, or by the name under which it was submitted.
    """
    known = list(models)
    named = {model.submitted_as: model.name for model in known if model.base_model is None}
    named |= {model.name: model.name for model in known}
    direct = {model.name: named.get(model.base_model or "", model.base_model or model.name) for model in known}
    found = {}
    for name in direct:
        base, passed = name, {name}
        while direct.get(base, base) not in passed:
            base = direct[base]
            passed.add(base)
        found[name] = base
    return found


def find_heads(models: Sequence[ModelResults]) -> dict[str, str]:
    """Return the model under which each is grouped, best first: its base model, or that one's first variant."""
    bases, first = base_names(models), dict[str, str]()
    for model in models:
        first.setdefault(bases[model.name], model.name)
    names = {model.name for model in models}
    return {name: base if base in names else first[base] for name, base in bases.items()}
