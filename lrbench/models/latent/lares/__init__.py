"""LARES: a core block that runs a variable number of times, and two training stages."""
