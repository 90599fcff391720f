"""Scripted drivers: they play a real game well, and badly often enough that a world learns the way back."""
