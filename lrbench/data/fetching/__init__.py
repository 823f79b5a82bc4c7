"""From an address, a mirror or a file to a verified raw file."""
