"""What was known at each moment: declared once, computed by SQL for training and by counters for serving."""
