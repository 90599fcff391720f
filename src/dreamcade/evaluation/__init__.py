"""Is a world good, and is it fast: metrics beside baselines, rollouts, a pilot, reports, benches."""
