"""Guess a project from tables: what each column is, what its values say, and what is worth predicting."""
