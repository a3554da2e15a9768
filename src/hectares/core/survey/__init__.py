"""Areas and accuracy from a reference sample: points, estimators, intervals."""
