"""A small Transformer translation model: configuration, network, directory."""
