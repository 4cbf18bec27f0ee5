"""Alignments as sets of links: formats, symmetrization, matching, evaluation."""
