"""Metrics as pure functions on arrays. Nothing of ours is imported here, and nothing here knows what a model is."""
