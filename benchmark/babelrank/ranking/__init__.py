"""Representations in, ranks of the relevant passages out."""
