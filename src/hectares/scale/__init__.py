"""One plan of the work, one tile function, and what runs them."""
