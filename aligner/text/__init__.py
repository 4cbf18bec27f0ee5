"""Parallel text: reading, words, subwords, and the sample corpus."""
