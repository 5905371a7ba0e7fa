"""The report: what a run made, how well its models do, how sure that is, and where the time went."""

from tasks.report.page import write_report
from tasks.report.summary import summary_table

__all__ = ["summary_table", "write_report"]
