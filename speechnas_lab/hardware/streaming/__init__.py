"""A network that listens while somebody speaks: its step as a graph, the stream around it, what it costs."""
