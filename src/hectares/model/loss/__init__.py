"""Losses on logits, and weights of pixels in them."""
