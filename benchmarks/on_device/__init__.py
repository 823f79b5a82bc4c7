"""Parts of the benchmark of a device."""
