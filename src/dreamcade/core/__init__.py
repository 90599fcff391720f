"""Words that every room shares: types, controls, errors, checkpoints, devices."""
