"""Write results.json, reports, heatmaps and the leaderboard from the analysis."""
