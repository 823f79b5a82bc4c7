"""LARES: a core of blocks that runs a variable number of times, in two training stages."""
