"""From a translation model's cross-attention to word alignments."""
