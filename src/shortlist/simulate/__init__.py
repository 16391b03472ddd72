"""Worlds whose truth is known. What comes from here is labelled as simulated wherever it shows."""
