"""Training of networks with PyTorch, whatever they learn: settings, the loop, checkpoints, costs; weights as plain arrays."""
