"""What a rollout earns (earned.py), and the kinds of reward for its answer, one a file (registry.py)."""
