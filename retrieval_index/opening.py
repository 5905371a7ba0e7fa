"""From the folder of an index to a searcher, whatever its kind."""

from retrieval_index.folder import check_files, read_info
from retrieval_index.hits import Searcher


def open_index(folder: str, *, verify: bool = False, threads: int | None = None) -> Searcher:
    """The searcher over an index. Sizes of its files are always compared with the seal; ``verify`` reads them all.

    Args:
        threads: processors for one batch; by default those that the process may use.

    Raises:
        BadInput: there is no index, it is unfinished, or damaged.
    """
    info = read_info(folder)
    check_files(folder, info, contents=verify)
    from retrieval_index.bm25 import Bm25Searcher

    return Bm25Searcher(folder, info, threads)
