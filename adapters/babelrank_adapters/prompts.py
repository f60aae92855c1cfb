"""The prompts of a model, for adapters of your own; see `babelrank.encoding.prompts`."""

from babelrank.encoding.prompts import Prompts, choose_prompts, find_family

__all__ = ["Prompts", "choose_prompts", "find_family"]
