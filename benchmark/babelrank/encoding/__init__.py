"""Texts in, representations out: each text once, kept on disk."""
