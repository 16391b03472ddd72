"""Tuning: the search for better settings, and the gate that a retrained model must pass."""
