"""From tables to a `Dataset`: read, checked, coded, ordered by time."""
