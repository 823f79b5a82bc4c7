"""Language models that recommend by the titles of items."""
