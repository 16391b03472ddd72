"""The ranker of gradient-boosted decision trees: training by XGBoost, inference by a kernel of its own."""
