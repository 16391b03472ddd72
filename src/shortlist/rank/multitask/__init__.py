"""The ranker that is a network: feature crosses and a mixture of experts, trained with PyTorch and answered without it."""
