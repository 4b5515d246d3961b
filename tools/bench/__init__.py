"""Figures to publish, see docs/figures.md: ``make bench``. Nothing here is asserted anywhere."""
