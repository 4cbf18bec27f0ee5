"""Run SimAlign, awesome-align or aligner's encoder on a text, with a random BERT.

    pip install simalign awesome-align

`alignment.py` starts this file, with an interpreter that has both; first with `make`.
Nothing is downloaded: the model has the sizes of BERT base (12 layers, 768 dimensions,
12 heads, 30,000 subwords) and a WordPiece tokenizer learnt from the text. Speed does
not depend on the weights, but for the few links more or less that they give. Prints a
line of JSON: the pairs, and the seconds from the loaded model to the last link.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # neither may ask for anything

import numpy as np
import torch

VOCABULARY = 30_000


def make_model(text: Path, folder: Path) -> tuple[int, float]:
    """Write the model and its tokenizer; align nothing."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    wordpiece = BertWordPieceTokenizer(lowercase=False)
    wordpiece.train([str(text)], vocab_size=VOCABULARY, show_progress=False)
    wordpiece.save_model(str(folder))
    BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(
        folder
    )
    torch.manual_seed(1)
    config = BertConfig(vocab_size=VOCABULARY)
    BertModel(config).save_pretrained(folder)
    return 0, 0.0


def simalign(text: Path, folder: Path) -> tuple[int, float]:
    """Align pair by pair, as SimAlign does, by the cheapest of its matchings."""
    from simalign import SentenceAligner

    aligner = SentenceAligner(str(folder), token_type="bpe", matching_methods="a")
    pairs = [line.split(" ||| ") for line in text.read_text("utf-8").splitlines()]
    aligner.get_word_aligns(*pairs[0])
    started = time.perf_counter()
    for src, tgt in pairs:
        aligner.get_word_aligns(src, tgt)
    return len(pairs), time.perf_counter() - started


def awesome_align(text: Path, folder: Path) -> tuple[int, float]:
    """Align in batches of 32, as awesome-align's command does by default."""
    from argparse import Namespace

    from awesome_align import modeling
    from awesome_align.configuration_bert import BertConfig
    from awesome_align.modeling import BertForMaskedLM
    from awesome_align.run_align import word_align
    from awesome_align.tokenization_bert import BertTokenizer

    tokenizer = BertTokenizer(str(folder / "vocab.txt"), do_lower_case=False)
    modeling.PAD_ID = tokenizer.pad_token_id
    modeling.CLS_ID = tokenizer.cls_token_id
    modeling.SEP_ID = tokenizer.sep_token_id
    model = BertForMaskedLM(config=BertConfig.from_pretrained(str(folder)))
    options = Namespace(
        data_file=str(text),
        output_file=str(folder / "awesome.align"),
        output_prob_file=None,
        output_word_file=None,
        num_workers=0,
        batch_size=32,
        align_layer=8,
        extraction="softmax",
        softmax_threshold=0.001,
        device=torch.device("cpu"),
    )
    started = time.perf_counter()
    word_align(options, model, tokenizer)
    return len(text.read_text("utf-8").splitlines()), time.perf_counter() - started


def encoder(text: Path, folder: Path) -> tuple[int, float]:
    """Align as aligner reads an encoder, which needs no second pass for links."""
    from aligner.links.matching import joint_scores, threshold_links
    from aligner.pretrained.encoder_evidence import Choice, EncoderEvidence
    from aligner.pretrained.word_encoder import WordEncoder

    read = WordEncoder.load(str(folder), precision="float32")
    means = np.zeros((2, read.dim), np.float32)
    evidence = EncoderEvidence(read, Choice(8, 12.0, 0.4, means))
    lines = text.read_text("utf-8").splitlines()
    sides = [[side.split() for side in line.split(" ||| ")] for line in lines]
    pairs = [(src, tgt) for src, tgt in sides]
    started = time.perf_counter()
    for scores in evidence.word_scores(pairs):
        threshold_links(joint_scores(*scores), 0.5)
    return len(pairs), time.perf_counter() - started


SYSTEMS = {
    "make": make_model,
    "simalign": simalign,
    "awesome-align": awesome_align,
    "encoder": encoder,
}


def main() -> None:
    """Run one system."""
    system, threads, text, folder = sys.argv[1:]
    torch.set_num_threads(int(threads))
    pairs, seconds = SYSTEMS[system](Path(text), Path(folder))
    print(json.dumps({"pairs": pairs, "seconds": seconds}))


if __name__ == "__main__":
    main()
