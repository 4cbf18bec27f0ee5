"""Train a small BERT on any plain text, for `aligner analyze bert` to look at.

    pip install '.[bert]'
    python benchmarks/train_bert.py --text corpus.en --out bert-en

The objective is BERT's masked language model: of 15 % of the tokens, 80 % become
[MASK], 10 % a random token, 10 % stay, and all are predicted. A line is a sequence; the
WordPiece vocabulary is learned from the same text. The loss on held-out lines is
printed before and after; the model is saved as `transformers` saves it. The learning
rate rises and falls with the time that has passed, so a repetition with the same seed
comes close, not equal.
"""

import argparse
import itertools
import math
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tokenizers import BertWordPieceTokenizer
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

MASKED, TO_MASK, TO_RANDOM = 0.15, 0.8, 0.1
LONGEST = 128  # tokens of a line, special tokens included; the rest is cut off
HELD_OUT = 1000  # lines, or a twentieth of the text
WARMUP = 0.06  # of the time
REPORT_SECONDS = 30


class Masked(NamedTuple):
    """A batch to learn from: ids (B, S), mask (B, S), and (B, S) what is predicted."""

    ids: Tensor
    mask: Tensor
    chosen: Tensor
    original: Tensor


def read_lines(path: Path, seed: int) -> tuple[list[str], list[str]]:
    """Return a text's lines, shuffled, in two parts: to learn from, and held out."""
    text = path.read_text(encoding="utf-8").splitlines()
    lines = [line for line in text if line.strip()]
    random.Random(seed).shuffle(lines)
    held_out = min(HELD_OUT, len(lines) // 20)
    if held_out == 0:
        sys.exit(f"{path}: expected at least 20 lines, got {len(lines)}")
    return lines[held_out:], lines[:held_out]


def train_tokenizer(lines: list[str], vocab_size: int, out: Path) -> Any:
    """Learn a WordPiece vocabulary; BERT's own rules for words, lower case."""
    learned = BertWordPieceTokenizer(lowercase=True)
    learned.train_from_iterator(lines, vocab_size=vocab_size, show_progress=False)
    out.mkdir(parents=True, exist_ok=True)
    learned.save_model(str(out))
    return BertTokenizerFast.from_pretrained(
        out, do_lower_case=True, model_max_length=512
    )


def batches(
    sequences: list[Tensor], batch_tokens: int, shuffle: random.Random
) -> Iterator[list[Tensor]]:
    """Yield sequences of like length, so many tokens at a time, in random order."""
    shuffle.shuffle(sequences)
    ordered = sorted(sequences, key=len)
    found, batch = [], []
    for ids in ordered:
        if batch and (len(batch) + 1) * len(ids) > batch_tokens:
            found.append(batch)
            batch = []
        batch.append(ids)
    found.append(batch)
    shuffle.shuffle(found)
    yield from found


def masked(batch: list[Tensor], tokenizer: Any, generator: torch.Generator) -> Masked:
    """Choose what is to be predicted, and hide it."""

    def share() -> Tensor:
        return torch.rand(ids.shape, generator=generator)

    ids = pad_sequence(batch, batch_first=True, padding_value=tokenizer.pad_token_id)
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids))
    chosen = (share() < MASKED) & ~special
    fate = share()
    to_random = (fate >= TO_MASK) & (fate < TO_MASK + TO_RANDOM)
    other = torch.randint(len(tokenizer), ids.shape, generator=generator)
    hidden = torch.where(chosen & (fate < TO_MASK), tokenizer.mask_token_id, ids)
    hidden = torch.where(chosen & to_random, other, hidden)
    return Masked(hidden, ids != tokenizer.pad_token_id, chosen, ids[chosen])


def loss_sum(model: BertForMaskedLM, batch: Masked, bfloat16: bool) -> Tensor:
    """Return the summed cross-entropy of the chosen tokens."""
    batch = Masked(*(tensor.to(model.device) for tensor in batch))
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bfloat16):
        states = model.bert(batch.ids, attention_mask=batch.mask.long())[0]
        # Logits of the chosen tokens alone: a third of the time of a small model.
        logits = model.cls(states[batch.chosen])
    return functional.cross_entropy(logits.float(), batch.original, reduction="sum")


@torch.inference_mode()
def held_out_loss(
    model: BertForMaskedLM, sequences: list[Tensor], tokenizer: Any, tokens: int
) -> float:
    """Return the mean cross-entropy on held-out lines, always masked the same way."""
    model.eval()
    generator = torch.Generator().manual_seed(0)
    total, count = 0.0, 0
    for batch in batches(list(sequences), tokens, random.Random(0)):
        hidden = masked(batch, tokenizer, generator)
        total += float(loss_sum(model, hidden, bfloat16=False))
        count += len(hidden.original)
    model.train()
    return total / max(count, 1)


def train(
    model: BertForMaskedLM,
    sequences: list[Tensor],
    tokenizer: Any,
    options: argparse.Namespace,
) -> int:
    """Train for the given time; return the number of updates."""
    generator = torch.Generator().manual_seed(options.seed)
    shuffle = random.Random(options.seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=options.lr, betas=(0.9, 0.98), weight_decay=0.01
    )
    model.train()
    started = shown = time.monotonic()
    endless = itertools.chain.from_iterable(
        batches(sequences, options.batch_tokens, shuffle) for _ in itertools.count()
    )
    for update, batch in enumerate(endless):
        passed = (time.monotonic() - started) / (60 * options.minutes)
        if passed >= 1:
            break
        hidden = masked(batch, tokenizer, generator)
        mean = loss_sum(model, hidden, options.bfloat16) / max(len(hidden.original), 1)
        rate = options.lr * min(passed / WARMUP, (1 - passed) / (1 - WARMUP))
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        mean.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if time.monotonic() - shown > REPORT_SECONDS:
            shown = time.monotonic()
            print(
                f"update {update + 1:6d}  loss {mean.item():.3f}  {passed:4.0%}",
                file=sys.stderr,
            )
    return update


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--vocab", type=int, default=8000)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Train, measure, save."""
    options = parse()
    torch.manual_seed(options.seed)
    lines, held_out = read_lines(options.text, options.seed)
    tokenizer = train_tokenizer(lines, options.vocab, options.out)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=options.dim,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        intermediate_size=4 * options.dim,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = BertForMaskedLM(config).to(options.device)
    learned, unseen = (
        [torch.tensor(ids) for ids in encoded(tokenizer, part)]
        for part in (lines, held_out)
    )
    print(
        f"{len(lines)} lines to learn from, {len(held_out)} held out; {len(tokenizer)} "
        f"tokens; {model.num_parameters():,} parameters; seed {options.seed}"
    )
    measured = [held_out_loss(model, unseen, tokenizer, options.batch_tokens)]
    updates = train(model, learned, tokenizer, options)
    measured.append(held_out_loss(model, unseen, tokenizer, options.batch_tokens))
    for when, loss in zip(("start", "end"), measured, strict=True):
        print(f"{when}: masked-LM loss {loss:.3f}, perplexity {math.exp(loss):.1f}")
    print(f"{updates} updates in {options.minutes:g} minutes; saved in {options.out}")
    model.save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)


def encoded(tokenizer: Any, lines: list[str]) -> list[list[int]]:
    """Return the ids of each line, special tokens around them."""
    return tokenizer(lines, truncation=True, max_length=LONGEST)["input_ids"]


if __name__ == "__main__":
    main()
