"""Align batches of table rows: what an engine such as Ray Data calls in its workers."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from aligner.errors import CorpusError
from aligner.extraction.aligner import Aligner, stored_rule
from aligner.links.formats import format_pharaoh
from aligner.links.json_lines import json_record
from aligner.nmt.checkpoint import load_model
from aligner.terms import Cover, Preset, check_term
from aligner.text.tokenizers import agreed_languages, word_tokenizers

Columns: TypeAlias = Mapping[str, Any]

ADDED = ("links", "score", "problem")
ADDED_OF_JSON = ("src_tokens", "tgt_tokens", *ADDED)


class AlignBatch:
    """A loaded model that adds links to batches; it knows of no engine.

    It computes with the threads that torch has: Ray gives a worker as many as CPUs.
    An engine makes one in each worker, and calls it with ever new rows:

    align = AlignBatch("models/enfr")
    align({"src": ["the house"], "tgt": ["la maison"]})["links"]
    """

    def __init__(
        self,
        model: str | Path,
        *,
        src: str = "src",
        tgt: str = "tgt",
        tokenize: tuple[str, str] | None = None,
        preset: Preset = "balanced",
        cover: Cover | None = None,
        format: Literal["pharaoh", "jsonl"] = "pharaoh",
        device: str = "cpu",
    ) -> None:
        """Load a model directory.

        Args:
            model: the directory.
            src: the column of the source side, words between spaces.
            tgt: the column of the target side.
            tokenize: the languages of both sides, if they are raw text and the model
                stores none; by default those stored, or words between spaces.
            preset: few but safe links, many, or in between.
            cover: the side, or both, of which every word gets a link, however weak.
            format: of the links: Pharaoh, or with scores and beside them the places of
                words, as in JSON lines.
            device: where the network runs.

        Raises:
            ConfigError: no code of a language, or another one than the model stores,
                or a preset that has no effect.
            ModelError: the directory is not a whole model.
        """
        loaded = load_model(Path(model), device)
        check_term("format", format, ("pharaoh", "jsonl"))
        rule = replace(stored_rule(loaded, preset), cover=cover)
        self.aligner = Aligner(loaded, rule=rule)
        self.src, self.tgt, self.format = src, tgt, format
        self.added = ADDED if format == "pharaoh" else ADDED_OF_JSON
        self.src_words, self.tgt_words = word_tokenizers(
            agreed_languages(loaded.meta.files.tokenize, tokenize, model)
        )

    def __call__(self, batch: Columns) -> dict[str, Any]:
        """Return the batch with columns more, its rows in their order.

        Args:
            batch: by name, columns of one length: lists or arrays. The text is
                strings; None is an empty one.

        Returns:
            The columns given, and those of `added`: `links` (Pharaoh, words counted
            from 0; or a list with the `src`, `tgt` and `score` of each), `score`
            (how likely the pair is a translation), and `problem` (why the pair could
            not be aligned and has no links, or an empty string); for JSON lines also
            `src_tokens` and `tgt_tokens` (lists with the `start` and `end` of each word
            in the text, in code points). The links are those
            that `aligner align` writes where the rows are its whole text; which pairs
            are read together decides the last bits of scores.

        Raises:
            CorpusError: a column is missing, or would be replaced.
            TypeError: a row of a text column is neither a string nor None.
        """
        if taken := sorted(batch.keys() & set(self.added)):
            raise CorpusError(f"expected no column {taken[0]!r}: it would be replaced")
        src, tgt = self._texts(batch, self.src), self._texts(batch, self.tgt)
        words = [
            (self.src_words(s), self.tgt_words(t))
            for s, t in zip(src, tgt, strict=True)
        ]
        added: dict[str, list[Any]] = {name: [] for name in self.added}
        for pair, sides in zip(self.aligner.align(words), words, strict=True):
            record = json_record(pair, *sides)
            record["score"] = pair.score
            if self.format == "pharaoh":
                record["links"] = format_pharaoh(pair.links)
            for name, column in added.items():
                column.append(record[name])
        return {**batch, **{name: _column(name, c) for name, c in added.items()}}

    def _texts(self, batch: Columns, column: str) -> list[str]:
        if column not in batch:
            raise CorpusError(
                f"expected a column {column!r}, got {', '.join(sorted(batch))}"
            )
        texts = ["" if text is None else text for text in batch[column]]
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(
                    f"column {column!r}, row {row} of a batch, from 0: expected text, "
                    f"got {type(text).__name__}"
                )
        return texts


def _column(name: str, values: list[Any]) -> Any:
    """Return what an engine takes for a column, even of no rows."""
    if name == "score":
        return np.array(values, float)
    column = np.empty(len(values), object)  # of lists, too
    column[:] = values
    return column
