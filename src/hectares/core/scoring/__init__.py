"""What an evaluation counts, the scores that follow, and what they are worth."""
