"""Open indexes of the stages that search."""

from functools import cache

from retrieval_index.opening import open_index

searcher_of = cache(open_index)
"""Opens an index once for each process, so that Ray's workers keep it open from part to part."""
