"""Units of durations and distances."""

DURATIONS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
"""Milliseconds per unit of a duration."""
DISTANCES = {"km": 1.0, "mi": 1.609344}
"""Kilometres per unit of a distance."""
EARTH_RADIUS = 6371.0088
"""Mean radius of the earth in kilometres (IUGG, R1)."""
