"""From the conditions that a run asks for to the initial state that meets them."""
