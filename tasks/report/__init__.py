"""The report: what a run made, how well its models do, how sure that is, and where the time went."""
