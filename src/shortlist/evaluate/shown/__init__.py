"""Recommenders judged on slates that were shown: by the chances with which they were drawn, and by their predictions.

People can only take what they are shown. A log of slates therefore favours whatever resembles the engine that wrote it:
what another recommender would have shown instead has no outcome. Metrics that count the chosen items of the log as the
relevant ones inherit that. The log does say what each shown item brought, and, where slates were drawn at random,
with which chance it was shown.
"""

from shortlist.evaluate.shown.judgement import ShownResult, judge_shown
from shortlist.evaluate.shown.logged_slates import LoggedSlates, read_logged_slates
from shortlist.evaluate.shown.model_answers import ModelAnswers, ask_models
from shortlist.evaluate.shown.slate_values import SlateValues, drawing_weights, order_values, slate_values

__all__ = [
    "LoggedSlates",
    "ModelAnswers",
    "ShownResult",
    "SlateValues",
    "ask_models",
    "drawing_weights",
    "judge_shown",
    "order_values",
    "read_logged_slates",
    "slate_values",
]
