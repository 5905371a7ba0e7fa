"""The test of a user's own cluster, as far as it needs no trainer: its small pipeline, and the jobs that measure."""
