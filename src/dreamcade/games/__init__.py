"""Real games become episodes: adapters, scripted drivers and the recorder. Never writes files."""
