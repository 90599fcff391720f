"""The paper's engine over several devices."""
