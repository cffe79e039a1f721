"""Neuron models as readable equations in torch: the reference that every faster engine must match."""
