"""A trained recommender on disk: format, reading, writing, versions."""
