"""The sample corpus: a small grammar whose true alignments are known."""
