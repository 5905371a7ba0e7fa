"""The speed of turning a dump into pages, compared with other programs, as ratios of CPU seconds.

    python -m tests.bench.bench_corpus DUMP [PYTHON]
    python -m tests.bench.bench_corpus DUMP --workers

DUMP is a bzip2 file of several streams, which is repeated until there is enough work. Every contender is a separate
process that reads the same file on one core; the contenders take turns. The cost of one copy is the difference between
runs with more and fewer copies:

    bz2                decompression alone: the limit
    pages              this project: rows with links and losses
    mwparserfromhell   the same with mwparserfromhell's tree instead of the scanner (text and links)
    wikiextractor      without templates and links; not a dependency (AGPL): PYTHON is an environment that has it

With --workers: wall seconds of the stage for about a minute of work, with one process and with two of Ray, including
and excluding Ray's start.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from schemas.manifest import PartManifest
from schemas.records import Page
from tasks.corpus.pages import read_pages
from tasks.dumps.dumps import DumpRange, cut, find_dump
from tasks.dumps.streams import SourceFile, stream_starts
from tasks.ledger.fanout import fan_out
from tasks.ledger.ledger import Parts
from tasks.making.context import Output, PartWork, rare_collections, sorted_out

SNAPSHOT = "enwiki-20240101"
REPEATS, ROUNDS = 9, 3
BZ2 = """
import bz2, sys
with bz2.open(sys.argv[1]) as file:
    while file.read(1 << 20):
        pass
"""


def repeated(dump: Path, target: Path, times: int) -> None:
    """The dump with the streams between its first and its last, header and footer, so many times."""
    content = dump.read_bytes()
    with SourceFile(str(dump)) as file:
        starts = list(stream_starts(file, 0, len(content)))
    first, last = starts[1], starts[-1]
    target.write_bytes(content[:first] + content[first:last] * times + content[last:])


def pages(path: str) -> None:
    with rare_collections():
        for part in cut(find_dump(path), 99):
            for row in read_pages(part, SNAPSHOT):
                assert row


def walked(path: str) -> None:
    """The project's reader with mwparserfromhell's tree in the scanner's place."""
    import mwparserfromhell
    from mwparserfromhell.nodes import ExternalLink, HTMLEntity, Tag, Text, Wikilink
    from mwparserfromhell.wikicode import Wikicode

    from tasks.corpus import pages as module
    from tasks.wikitext.cleaning import Cleaned

    hidden = re.compile(r"(?i)\s*(file|image|category)\s*:")

    def walk(code: Wikicode, pieces: list[str], links: list[tuple[str, str]]) -> None:
        for node in code.nodes:
            match node:
                case Text():
                    pieces.append(str(node))
                case Wikilink():
                    title = str(node.title)
                    if not hidden.match(title):
                        before = len(pieces)
                        walk(node.text or node.title, pieces, links)
                        links.append((title, "".join(pieces[before:])))
                case ExternalLink():
                    walk(node.title or node.url, pieces, links)
                case HTMLEntity():
                    pieces.append(node.normalize())
                case Tag():
                    if node.contents and str(node.tag).lower() not in ("ref", "table", "gallery", "math"):
                        walk(node.contents, pieces, links)

    def clean(text: str, wiki: object) -> Cleaned:
        pieces: list[str] = []
        walk(mwparserfromhell.parse(text), pieces, [])
        return Cleaned("".join(pieces), [], [], set(), [])

    module.clean = clean
    pages(path)


def cpu_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def contenders_of(path: Path, extractor: str | None) -> dict[str, list[str]]:
    """Commands by name."""
    commands = {
        "bz2": [sys.executable, "-c", BZ2, str(path)],
        "pages": [sys.executable, __file__, str(path), "pages"],
        "mwparserfromhell": [sys.executable, __file__, str(path), "walked"],
    }
    if extractor:
        quickest = ["--no-templates", "--processes", "1", "-q", "-o", str(path.with_suffix(".out"))]
        commands["wikiextractor"] = [extractor, "-m", "wikiextractor.WikiExtractor", *quickest, str(path)]
    return commands


def compared(dump: Path, extractor: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        best: dict[int, dict[str, float]] = {}
        commands = {}
        for times in (1, REPEATS):
            path = Path(folder) / f"dump{times}.xml.bz2"
            repeated(dump, path, times)
            commands[times] = contenders_of(path, extractor)
            best[times] = dict.fromkeys(commands[times], float("inf"))
        for _ in range(ROUNDS):
            for times in (1, REPEATS):
                for name, command in commands[times].items():
                    best[times][name] = min(best[times][name], cpu_seconds(command))
    print(f"load {os.getloadavg()[0]:.1f}, best of {ROUNDS}; a copy of the dump without the start of the process:")
    a_copy = {name: (seconds - best[1][name]) / (REPEATS - 1) for name, seconds in best[REPEATS].items()}
    for name, seconds in a_copy.items():
        print(f"{name:18}{seconds:8.3f} CPU s, {seconds / a_copy['pages']:5.2f} times pages")


# -- two workers ----------------------------------------------------------------------------------------------------


def page_rows(part: DumpRange) -> Output:
    return sorted_out(read_pages(part, SNAPSHOT), {})


def nothing(_: object) -> PartManifest:
    return PartManifest(
        key="", fingerprint="", inputs={}, rows=0, rejects={}, failed=0, digest="", bytes=0, started="", seconds=0
    )


def stage_seconds(parts: list[DumpRange], folder: str, workers: int) -> float:
    begun = time.perf_counter()
    work = PartWork(Parts(folder, "", Page, SNAPSHOT), page_rows)
    fan_out([(part.key, part) for part in parts], work, workers, lambda part: None)
    return time.perf_counter() - begun


def two_workers(dump: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dump.xml.bz2"
        repeated(dump, path, 90)
        parts = cut(find_dump(str(path)), path.stat().st_size / 8e6)
        one = stage_seconds(parts, f"{folder}/one", 1)
        begun = time.perf_counter()
        fan_out([0, 1], partial(nothing), 2, lambda part: None)
        start = time.perf_counter() - begun
        two = stage_seconds(parts, f"{folder}/two", 2)
    print(f"load {os.getloadavg()[0]:.1f}; {len(parts)} parts; one worker {one:.1f} s, two {two:.1f} s: ", end="")
    print(f"{one / two:.2f} times; with Ray's start, {start:.1f} s, {one / (two + start):.2f} times")


def main(given: str = "", *words: str) -> None:
    if not Path(given).is_file():
        sys.exit(f"error: {given or 'no DUMP'}: give a bzip2 file of several streams (make bench BENCH_DUMP=...)")
    if words == ("--workers",):
        two_workers(Path(given))
    elif words in (("pages",), ("walked",)):
        {"pages": pages, "walked": walked}[words[0]](given)
    else:
        compared(Path(given), words[0] if words else None)


if __name__ == "__main__":
    main(*sys.argv[1:])
