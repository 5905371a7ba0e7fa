"""Open indexes of the stages that search."""

from functools import cache

from retrieval_index.opening import open_index

searcher_of = cache(open_index)
"""One open index a process: Ray's workers keep it from part to part."""
