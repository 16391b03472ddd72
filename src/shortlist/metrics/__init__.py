"""Metrics as pure functions on arrays. This room imports nothing else of Shortlist and knows nothing about models."""
