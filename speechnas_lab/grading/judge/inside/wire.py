"""Messages between judge and worker: JSON with raw numbers beside it, measured before they are read. Never pickle.

A message is two sizes (4 bytes each), JSON text, and a block of bytes to which arrays in the JSON point.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

SIZES = struct.Struct("<II")
MOST_TEXT, MOST_BYTES = 8 * 2**20, 32 * 2**20  # of one message
AT_ONCE = 65536  # bytes that are read beyond what is needed: mostly the whole message


class Broken(BaseException):
    """The other side sent what no message is. Like the two below no Exception, so that nobody catches it by chance."""


class Late(BaseException):
    """A limit was passed, which the error's text says, before anything came."""


class Gone(BaseException):
    """The other side has hung up."""


class Line:
    """One end of a connection, which waits as long as it takes."""

    def __init__(self, end: socket.socket) -> None:
        self.end, self.rest = end, bytearray()  # what has come and was not asked for yet

    def wait(self, to_write: bool) -> None:
        """What to do while the connection is not ready; a blocking one always is."""

    def send(self, message: Any, block: bytes | bytearray = b"") -> None:
        """Raises Gone, Late, and Broken for a message that is larger than allowed."""
        text = json.dumps(message, separators=(",", ":")).encode()
        if len(text) > MOST_TEXT or len(block) > MOST_BYTES:
            raise Broken(f"a message of {len(text) + len(block):,} bytes is more than allowed")
        whole = memoryview(b"".join((SIZES.pack(len(text), len(block)), text, block)))
        while whole:
            try:
                whole = whole[self.end.send(whole) :]
            except BlockingIOError:
                self.wait(True)
            except OSError as error:
                raise Gone(str(error)) from None

    def take(self) -> tuple[Any, memoryview]:
        """The next message and its block. Raises Gone, Late, Broken."""
        text_size, block_size = SIZES.unpack(self._exactly(SIZES.size))
        if text_size > MOST_TEXT or block_size > MOST_BYTES:
            raise Broken(f"a message of {text_size + block_size:,} bytes is more than allowed")
        whole = memoryview(self._exactly(text_size + block_size))
        try:
            return json.loads(bytes(whole[:text_size])), whole[text_size:]
        except (ValueError, RecursionError) as error:
            raise Broken(f"a message is no JSON ({type(error).__name__})") from None

    def _exactly(self, count: int) -> bytes:
        while len(self.rest) < count:
            try:
                got = self.end.recv(min(count - len(self.rest) + AT_ONCE, 2**20))
            except BlockingIOError:
                self.wait(False)
                continue
            except OSError as error:
                raise Gone(str(error)) from None
            if not got:
                raise Gone("it hung up")
            self.rest += got
        found = bytes(self.rest[:count])
        del self.rest[:count]
        return found
