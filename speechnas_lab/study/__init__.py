"""What a lesson shows: pictures with words, sound players, "what if" widgets, quizzes, a listener for models."""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(
    __name__,
    {
        "STYLE": ".pictures",
        "show": ".pictures",
        "bundle": ".pictures",
        "sound": ".pictures",
        "table": ".pictures",
        **dict.fromkeys(("INK", "SOFT", "RULE", "SHEET", "ORANGE", "BLUE", "GREEN", "SKY", "PINK"), ".pictures"),
        "Slider": ".what_if",
        "Menu": ".what_if",
        "explore": ".what_if",
        "quiz": ".questions",
        "Listener": ".listen",
    },
)
