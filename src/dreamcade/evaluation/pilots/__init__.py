"""Players that see only pictures: the same ones play the dream and the real game and know nothing of their state."""
