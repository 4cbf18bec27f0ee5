"""Attention weights and norms of translation models, against gold."""
