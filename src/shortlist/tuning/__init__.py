"""Better settings, and the gate that a retrained model must pass."""
