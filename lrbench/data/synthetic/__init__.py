"""The generated dataset of the quickstart."""
