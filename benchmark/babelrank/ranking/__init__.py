"""Representations in, ranks of the relevant passages out."""

from babelrank.environment import provide_compile_cache

provide_compile_cache()  # before Numba is first imported
