"""A small Transformer translation model: configuration, training, translation."""
