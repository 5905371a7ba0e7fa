"""Counts in words, as people write them."""


def counted(count: int, unit: str) -> str:
    """``1 question``, ``0 questions`` or ``1,023 questions``; the unit forms its plural with an s."""
    return f"{count:,} {unit}" if count == 1 else f"{count:,} {unit}s"
