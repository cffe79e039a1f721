"""A surrogate derivative that a user writes as a formula of v: parsed, checked, evaluated, printed and integrated."""
