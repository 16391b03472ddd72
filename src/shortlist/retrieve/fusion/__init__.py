"""Fusion: several retrievers joined, their weights, and the choice of their settings."""
