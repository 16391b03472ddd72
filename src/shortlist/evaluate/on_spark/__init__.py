"""Evaluation on Spark, for logs that one machine cannot judge: slates and metrics of the test's people are made by the executors."""

from shortlist.evaluate.on_spark.job import evaluate_on_spark

__all__ = ["evaluate_on_spark"]
