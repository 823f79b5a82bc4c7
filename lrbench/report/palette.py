"""The colours of lines, for figures on paper and for pages in a light or a dark scheme.

The colours for a white background are those of Okabe and Ito (2008) without the yellow, which is hard to see
there. Lines also differ by dashes and markers, for print in grey.
"""

__all__ = ["COLOURS", "DARK_COLOURS", "DASHES", "MARKERS", "MOST_LINES"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
"""For a white background."""

DARK_COLOURS = ("#62B5E8", "#F0944D", "#4FCAA6", "#E394C3", "#F0F0F0", "#E5CF5A", "#9CCDEA")
"""The same hues in the same order, for a black background."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", ":", "-.")

MOST_LINES = 24
"""The most lines of one figure that a reader can tell apart by colour, dashes and marker together."""
