"""Trial folders and suite records: written atomically, and read back as Polars frames. No torch."""
