"""What travels between stages, and every setting: pydantic and pyarrow, nothing heavier."""
