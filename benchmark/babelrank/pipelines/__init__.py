"""Whole jobs, from a model or a run to a report: they tie data, encoding, ranking, analysis and reporting together."""
