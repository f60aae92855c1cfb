"""Rows of training examples from a list."""

import numpy as np

from babelrank.training.examples import NEGATIVE, PASSAGE, QUERY, Column


class ListedRows:
    """One row for each example; counts how often all rows are read."""

    name = "listed"

    def __init__(self, *examples, fingerprint="1"):
        self.fingerprint = fingerprint
        self.scans = 0
        self._examples = examples

    def __len__(self):
        return len(self._examples)

    def scan(self):
        self.scans += 1
        for row, example in enumerate(self._examples):
            sides = [(QUERY, example.query), (PASSAGE, example.passage)]
            sides += [(NEGATIVE, texts) for texts in example.negatives]
            columns = [
                Column(side, lang, np.array([0]), [text]) for side, texts in sides for lang, text in texts.items()
            ]
            yield row, columns

    def read(self, row):
        example = self._examples[row]
        return example.id, example.query, example.passage

    def read_negatives(self, rows):
        return tuple(texts for row in rows for texts in self._examples[row].negatives)
