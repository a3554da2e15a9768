"""Every knob: one frozen dataclass a verb, one file a verb. The text below a field is its help."""
