"""Statistics on arrays of ranks and metric values: pure functions, no input or output, no torch."""
