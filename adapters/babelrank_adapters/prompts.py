"""The prompts of a model, for your own adapters; see `babelrank.encoding.prompts`."""

from babelrank.encoding.prompts import Prompts, choose_prompts, find_family

__all__ = ["Prompts", "choose_prompts", "find_family"]
