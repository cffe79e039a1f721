"""Surrogate derivatives that a user writes as a formula in v: parsed, checked, evaluated, printed and integrated."""
