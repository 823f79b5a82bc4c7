"""Models without gradients: counts, neighbourhoods and linear models in closed form."""
