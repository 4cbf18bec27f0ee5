"""The study of encoders: attention to groups of tokens, by weight and by norm.

Kobayashi et al. (2020), section 4, for one encoder and one text.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from aligner.analysis.encoder.encoder import Encoder, Sequences
from aligner.analysis.encoder.figures import figures_of
from aligner.analysis.encoder.measures import (
    BATCH_TOKENS,
    EncoderMeasures,
    Progress,
    measure_encoder,
)
from aligner.analysis.report.content import Report, Table
from aligner.analysis.tokens import tables as group_tables
from aligner.analysis.tokens.frequencies import Frequencies, frequencies_of
from aligner.analysis.tokens.tables import NORM, Entry

PAPER = "(Kobayashi et al. 2020, section 4)"


def study_encoder(
    encoder: Encoder,
    lines: Iterable[str],
    frequency_lines: Iterable[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    batch_tokens: int = BATCH_TOKENS,
    on_progress: Progress | None = None,
) -> Report:
    """Return the report on an encoder that reads a text, a sequence for each line.

    Args:
        encoder: the model.
        lines: the text.
        frequency_lines: the text in which tokens are counted; by default the same.
        settings: what else the report says of how it was made.
        notes: what else its reader has to know.
        batch_tokens: tokens read at a time, padding included; figures do not depend
            on it.
        on_progress: called with sequences done, and of how many.

    Raises:
        CorpusError: the text has no tokens.
    """
    text = encoder.sequences(lines)
    counts = Counter(t for ids in text.ids for t in ids[1:-1])
    if frequency_lines is not None:  # first, as it may be what cannot be read
        counts = Counter(t for ids in encoder.token_ids(frequency_lines) for t in ids)
    measures = measure_encoder(encoder, text.ids, batch_tokens, on_progress)
    frequencies = frequencies_of(
        measures.tokens, measures.token_weights, measures.token_norms, counts
    )
    tables = _tables(measures, frequencies)
    counted = frequencies.notes("the analysed text" if frequency_lines is None else "")
    return Report(
        "Attention of an encoder: weights and norms",
        {**(settings or {}), **_settings(encoder, text, measures)},
        [*notes, *_notes(encoder, text, measures), *counted, *_gaps(tables)],
        tables,
        figures_of(measures, frequencies),
    )


def _tables(measures: EncoderMeasures, frequencies: Frequencies) -> list[Table]:
    entries = [Entry((), measures.groups)]
    return [
        group_tables.summary(
            "groups",
            f"Attention to special tokens: weights against norms {PAPER}",
            (),
            entries,
        ),
        group_tables.weights_and_norms_table(
            "weight_and_norm",
            f"How a group's α goes with its {NORM} {PAPER}",
            (),
            entries,
        ),
        group_tables.frequency_table(
            "frequency",
            f"How frequency goes with norms and weights {PAPER}",
            (),
            [((), frequencies)],
        ),
        _variation(measures),
        group_tables.by_layer(
            "groups_by_layer", "Attention to groups of tokens by layer", (), entries
        ),
        _variation_by_layer(measures),
        _variation_by_head(measures),
        group_tables.by_head(
            "groups_by_head", "Attention to groups of tokens by head", (), entries
        ),
    ]


def _settings(
    encoder: Encoder, text: Sequences, measures: EncoderMeasures
) -> dict[str, Any]:
    unknown = encoder.tokenizer.unk_token_id
    return {
        "model": encoder.name,
        "class": type(encoder.model).__name__,
        "layers": len(encoder.layers),
        "heads": encoder.heads,
        "longest sequence": encoder.longest,
        "lines": text.lines,
        "split lines": text.split,
        "sequences": len(text.ids),
        "tokens": int(measures.groups.counts.sum()),
        "unknown tokens": int((measures.tokens == unknown).sum()),
    }


def _notes(encoder: Encoder, text: Sequences, measures: EncoderMeasures) -> list[str]:
    sizes = f"{len(encoder.layers)} layers of {encoder.heads} heads"
    tokens = int(measures.groups.counts.sum())
    around = f"{measures.groups.names[0]} text {measures.groups.names[1]}"
    notes = [
        f"{encoder.name}, a {type(encoder.model).__name__} of {sizes}.",
        f"{len(text.ids)} sequences of {tokens} tokens in all; each is {around}, where "
        "the paper has two pieces of text and a second separator.",
    ]
    if text.split:
        notes.append(
            f"{text.split} of {text.lines} lines were split: a sequence has room for "
            f"{encoder.longest} tokens."
        )
    return notes + [
        f"The text has no tokens of the group “{name}”: it is left out."
        for name in measures.groups.absent
    ]


def _gaps(tables: Sequence[Table]) -> list[str]:
    if all(cell is not None for table in tables for row in table.rows for cell in row):
        return []
    return ["Correlations of fewer than three points, or of equal ones, do not exist."]


def _variation(measures: EncoderMeasures) -> Table:
    kinds = {
        "‖x‖": measures.input_variation,
        NORM: measures.norm_variation,
        "α": measures.weight_variation,
    }
    return Table(
        "variation",
        f"Coefficients of variation {PAPER}",
        ["of", "mean", "largest"],
        [[name, float(v.mean()), float(v.max())] for name, v in kinds.items()],
        note="Standard deviation / mean over all tokens, or pairs of query and key, of "
        "one layer, for ‖x‖, or of one head; then over layers, or heads.",
    )


def _variation_by_layer(measures: EncoderMeasures) -> Table:
    columns = (
        measures.input_variation,
        measures.norm_variation.mean(1),
        measures.weight_variation.mean(1),
    )
    return Table(
        "variation_by_layer",
        "Coefficients of variation in each layer",
        ["layer", "‖x‖", NORM, "α"],
        [
            [layer, *map(float, values)]
            for layer, values in enumerate(zip(*columns, strict=True), 1)
        ],
        note=f"For {NORM} and α the mean over heads.",
    )


def _variation_by_head(measures: EncoderMeasures) -> Table:
    weights = measures.weight_variation
    return Table(
        "variation_by_head",
        "Coefficients of variation in each head",
        ["layer", "head", NORM, "α"],
        [
            [layer + 1, head + 1, float(norm), float(weights[layer, head])]
            for (layer, head), norm in np.ndenumerate(measures.norm_variation)
        ],
    )
