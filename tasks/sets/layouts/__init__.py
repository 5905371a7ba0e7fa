"""The layouts in which question sets are published, one a file (registry.py)."""
