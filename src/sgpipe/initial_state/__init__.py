"""Compute the initial state that meets a run's conditions."""
