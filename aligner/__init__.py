"""Word alignments from the attention norms of a small translation model."""

__version__ = "0.1.0"
