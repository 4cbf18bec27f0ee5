"""Parallel text: reading, words, subwords, and arrays on disk."""
