"""Simulated worlds whose truth is known. Everything that is made from them is labelled as simulated."""
