"""What a search found, as one page: `page` puts it together of `words` and `figures`."""

from .._lazy import exports

__getattr__, __dir__, __all__ = exports(__name__, {"write_report": ".page"})
