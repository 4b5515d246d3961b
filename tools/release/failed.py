"""The one error of these tools: what was wrong and what was not done, in a line."""

from __future__ import annotations


class Failed(Exception):
    """Ends the command with exit status 1; the message is for its operator."""
