"""Each candidate scored for each objective, calibrated, then weighed together."""
