"""What makes the one file. ``pyz.py`` is the program; see README.md."""
