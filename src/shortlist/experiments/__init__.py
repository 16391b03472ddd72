"""Experiments with live users: assignment to arms, exposure, intervals for repeated looks, interleaving, and reports.

The package imports nothing by itself: serving needs only `assign` and `interleave`.
"""
