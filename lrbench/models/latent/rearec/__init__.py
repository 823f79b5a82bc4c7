"""ReaRec and its kin: reasoning tokens appended to a sequence (ERL, PRL, PLR, plain recurrence)."""
