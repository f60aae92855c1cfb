"""Ranks of the relevant passages in, measures by setting and language bias out."""
