"""The closed loop: policies that are trained on the events that they cause."""
