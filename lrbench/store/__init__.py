"""Trial folders and suite records: atomic writes, reading back as Polars frames. No torch."""
