"""The parts of deep retrievers: what their networks read, how they are trained with PyTorch, and how they answer without it."""
