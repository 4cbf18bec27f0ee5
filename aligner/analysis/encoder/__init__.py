"""What encoders do with special tokens."""
