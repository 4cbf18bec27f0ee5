"""Groups of tokens, by kind and by frequency."""
