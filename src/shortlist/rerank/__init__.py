"""Re-ranking: from scored candidates to a slate, with diversity, freshness, exposure limits, rules and exploration."""
