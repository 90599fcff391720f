"""The engine of arXiv 2602.00608 at full size: its models, a whole frame of it, and what that costs."""
