"""Complete jobs, from a model or a run to a report. They combine data, encoding, ranking, analysis and reporting."""
