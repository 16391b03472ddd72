"""The closed loop: policies that live with what they bring about."""
