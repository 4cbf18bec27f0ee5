"""Word alignments from the attention norms of a small translation model.

Train on your own parallel text, align, look at the links, score them:

    from aligner import Aligner, GoldAlignment, score, train

    src = [[a, b] for a in ("the", "a", "my") for b in ("house", "door", "key")]
    french = dict(the="la", a="une", my="ma", house="maison", door="porte", key="clé")
    tgt = [[french[word] for word in words] for words in src]
    train(src, tgt, "model", config="tiny", max_minutes=0.1, overwrite=True)
    aligner = Aligner.load("model")
    (pair,) = aligner.align([(["the", "door"], ["la", "porte"])])
    gold = GoldAlignment(sure=frozenset({(0, 0), (1, 1)}))
    print(sorted(pair.links), pair.score, score([gold], [pair.links]).aer)

Links are (source, target) word numbers from 0. Whatever goes wrong for a reason that
can be put right raises a child of `AlignerError`. What takes long is logged by the
logger `aligner`. Nothing heavy is loaded before a name is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aligner.errors import AlignerError as AlignerError
    from aligner.errors import ConfigError as ConfigError
    from aligner.errors import CorpusError as CorpusError
    from aligner.errors import LinkFormatError as LinkFormatError
    from aligner.errors import ModelError as ModelError
    from aligner.errors import TrainingError as TrainingError
    from aligner.errors import TrainingStopped as TrainingStopped
    from aligner.extraction.aligner import Aligner as Aligner
    from aligner.extraction.link_rule import LinkRule as LinkRule
    from aligner.extraction.reading import Reading as Reading
    from aligner.extraction.table_rows import AlignBatch as AlignBatch
    from aligner.links.aligned_pair import AlignedPair as AlignedPair
    from aligner.links.alignment import Alignment as Alignment
    from aligner.links.alignment import GoldAlignment as GoldAlignment
    from aligner.links.evaluation import AlignmentScore as AlignmentScore
    from aligner.links.evaluation import Comparison as Comparison
    from aligner.links.evaluation import ScoreIntervals as ScoreIntervals
    from aligner.links.evaluation import bootstrap_intervals as bootstrap_intervals
    from aligner.links.evaluation import compare as compare
    from aligner.links.evaluation import score as score
    from aligner.links.formats import format_gold as format_gold
    from aligner.links.formats import format_pharaoh as format_pharaoh
    from aligner.links.formats import parse_pharaoh as parse_pharaoh
    from aligner.links.formats import read_gold as read_gold
    from aligner.links.formats import read_links as read_links
    from aligner.links.formats import read_pharaoh as read_pharaoh
    from aligner.links.json_lines import format_json as format_json
    from aligner.links.retokenization import retokenize as retokenize
    from aligner.links.symmetrization import symmetrize as symmetrize
    from aligner.nmt.config import Config as Config
    from aligner.nmt.config import read_config as read_config
    from aligner.pretrained.prior_with_encoder import (
        PriorWithEncoder as PriorWithEncoder,
    )
    from aligner.prior.prior import Prior as Prior
    from aligner.prior.prior import estimate_prior as estimate_prior
    from aligner.prior.storage import load_prior as load_prior
    from aligner.prior.storage import save_prior as save_prior
    from aligner.text.tokenizers import word_tokenizer as word_tokenizer
    from aligner.text.words import Sentence as Sentence
    from aligner.training.progress import EncoderShare as EncoderShare
    from aligner.training.progress import PriorPass as PriorPass
    from aligner.training.progress import TrainingReport as TrainingReport
    from aligner.training.run import train as train

__version__ = "0.1.0"

__all__ = [
    "AlignBatch",
    "AlignedPair",
    "Aligner",
    "AlignerError",
    "Alignment",
    "AlignmentScore",
    "Comparison",
    "Config",
    "ConfigError",
    "CorpusError",
    "EncoderShare",
    "GoldAlignment",
    "LinkFormatError",
    "LinkRule",
    "ModelError",
    "Prior",
    "PriorPass",
    "PriorWithEncoder",
    "Reading",
    "ScoreIntervals",
    "Sentence",
    "TrainingError",
    "TrainingReport",
    "TrainingStopped",
    "bootstrap_intervals",
    "compare",
    "estimate_prior",
    "format_gold",
    "format_json",
    "format_pharaoh",
    "load_prior",
    "parse_pharaoh",
    "read_config",
    "read_gold",
    "read_links",
    "read_pharaoh",
    "retokenize",
    "save_prior",
    "score",
    "symmetrize",
    "train",
    "word_tokenizer",
]

_MODULES = {
    "AlignBatch": "aligner.extraction.table_rows",
    "AlignedPair": "aligner.links.aligned_pair",
    "Aligner": "aligner.extraction.aligner",
    "AlignerError": "aligner.errors",
    "Alignment": "aligner.links.alignment",
    "AlignmentScore": "aligner.links.evaluation",
    "Comparison": "aligner.links.evaluation",
    "Config": "aligner.nmt.config",
    "ConfigError": "aligner.errors",
    "CorpusError": "aligner.errors",
    "EncoderShare": "aligner.training.progress",
    "GoldAlignment": "aligner.links.alignment",
    "LinkFormatError": "aligner.errors",
    "LinkRule": "aligner.extraction.link_rule",
    "ModelError": "aligner.errors",
    "Prior": "aligner.prior.prior",
    "PriorPass": "aligner.training.progress",
    "PriorWithEncoder": "aligner.pretrained.prior_with_encoder",
    "Reading": "aligner.extraction.reading",
    "ScoreIntervals": "aligner.links.evaluation",
    "Sentence": "aligner.text.words",
    "TrainingError": "aligner.errors",
    "TrainingReport": "aligner.training.progress",
    "TrainingStopped": "aligner.errors",
    "bootstrap_intervals": "aligner.links.evaluation",
    "compare": "aligner.links.evaluation",
    "estimate_prior": "aligner.prior.prior",
    "format_gold": "aligner.links.formats",
    "format_json": "aligner.links.json_lines",
    "format_pharaoh": "aligner.links.formats",
    "load_prior": "aligner.prior.storage",
    "parse_pharaoh": "aligner.links.formats",
    "read_config": "aligner.nmt.config",
    "read_gold": "aligner.links.formats",
    "read_links": "aligner.links.formats",
    "read_pharaoh": "aligner.links.formats",
    "retokenize": "aligner.links.retokenization",
    "save_prior": "aligner.prior.storage",
    "score": "aligner.links.evaluation",
    "symmetrize": "aligner.links.symmetrization",
    "train": "aligner.training.run",
    "word_tokenizer": "aligner.text.tokenizers",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return [*__all__, "__version__"]
