"""Does the dream keep the game's rules? Scripted experiments, made in the dream and in the real game alike."""
