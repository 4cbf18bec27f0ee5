"""A statistical aligner: what the network starts from and is guided by."""
