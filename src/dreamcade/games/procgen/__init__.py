"""Procgen's games. They need old packages, so they run in an environment of their own, behind a pipe."""
