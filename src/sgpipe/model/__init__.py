"""The networks as readable equations in torch, and what is read off them."""
