"""Pretrained encoders of `transformers`, and what they say of words."""
