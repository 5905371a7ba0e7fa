"""Corpora of passages with a `text`: nothing is asked about them, and the leak check reads them."""

from tasks.sets.fields import Record
from tasks.sets.interface import SetText
from tasks.sets.layouts.interface import RecordLayout


class Corpus(RecordLayout):
    @staticmethod
    def fits(record: Record) -> bool:
        return isinstance(record.get("text"), str)

    def read(self, record: Record) -> SetText:
        return SetText("evidence", record["text"])
