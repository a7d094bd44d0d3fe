"""What bounds a server: sizes, counts and seconds, checked before anything is loaded."""

import math
from dataclasses import dataclass, fields

from mtt_jax.errors import UserError


@dataclass(frozen=True)
class Settings:
    """Limits of a server; a request beyond one is refused with a message that names it.

    Attributes:
      max_body: bytes of a request.
      max_texts: texts of a request.
      max_characters: of one text.
      queue: texts per model that may wait; further requests are answered 503.
      wait_ms: longest time that a text waits for others to share its batch, in milliseconds.
      batch_tokens: subwords of a batch; 0 for what suits the engine.
      timeout: seconds that a request may take, from its first byte.
      grace: seconds that requests in progress may take after the server was asked to stop.
    """

    max_body: int = 1 << 20
    max_texts: int = 256
    max_characters: int = 50_000
    queue: int = 1024
    wait_ms: float = 5.0
    batch_tokens: int = 0
    timeout: float = 30.0
    grace: float = 30.0

    def check(self) -> "Settings":
        """The settings themselves.

        Raises:
          UserError: naming the flag that is out of range.
        """
        for field in fields(self):
            flag, value = "--" + field.name.replace("_", "-"), getattr(self, field.name)
            least = 0 if field.name in ("wait_ms", "batch_tokens") else 1
            if not math.isfinite(value) or value < least:
                raise UserError(f"{flag}: {value} is out of range; must be at least {least}.")
        if self.queue < self.max_texts:
            raise UserError(
                f"--queue: {self.queue} is less than a request may hold (--max-texts="
                f"{self.max_texts}), which would then never be answered; raise it, or lower "
                "--max-texts."
            )
        return self
