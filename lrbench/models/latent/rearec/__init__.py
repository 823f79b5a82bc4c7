"""ReaRec and models built like it, which append reasoning tokens (ERL, PRL, PLR, plain recurrence)."""
