"""Compiled loops of the retrievers, and the structures they search."""
