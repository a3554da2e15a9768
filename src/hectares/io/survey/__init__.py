"""The sample of reference points as files, and what it is drawn from."""
