"""The networks as readable equations in torch, and what is derived from them."""
