"""Which runs there are, the packs that train them, what they cost, and what is made of them."""
