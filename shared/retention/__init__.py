"""How long things are kept, and the sweepers that remove them."""
