"""Pretrained encoders and translation models, and what they say of words."""
