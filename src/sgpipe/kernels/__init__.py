"""Engines that are faster than the reference and agree with it."""
