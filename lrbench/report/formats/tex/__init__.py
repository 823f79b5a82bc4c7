"""LaTeX tables: texts, widths, grids of columns, how they fit a page, captions and commands."""
