"""Parallel examples -> batch schedule -> losses -> a sentence-transformers checkpoint (arXiv 2408.10536)."""
