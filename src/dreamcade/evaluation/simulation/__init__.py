"""Many players on many devices, without either: discrete events drive the engine's own decider, clock and schedule."""
