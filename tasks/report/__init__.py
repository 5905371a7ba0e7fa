"""The report: what a run built, the scores of its models with intervals, and where the time went."""
