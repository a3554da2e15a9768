"""From chips to the weights of the best epoch."""
