"""The one exception for a user's mistake."""


class BadInput(ValueError):
    """Something the user gave cannot be used. The message is one line: what is wrong, and what to do about it."""
