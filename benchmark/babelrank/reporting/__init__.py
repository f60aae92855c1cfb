"""Analysis in; results.json, report.md, heatmaps and the leaderboard out."""
