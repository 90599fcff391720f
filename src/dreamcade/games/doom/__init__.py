"""Doom's engine with Freedoom's maps, through ViZDoom."""
