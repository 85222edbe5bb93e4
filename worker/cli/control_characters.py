"""Characters that control a terminal, in text that commands print."""

from __future__ import annotations

import re
from typing import Final

#: Characters beyond U+001F that change how text is shown, as a part of a regular expression:
#: control characters, line and paragraph separators, and characters that change the direction of
#: text.
ACTING: Final = r"\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_ACTING_IN_JSON: Final = re.compile(rf"[{ACTING}]")


def json_for_terminals(text: str) -> str:
    """Return the JSON `text` with all characters that control a terminal escaped.

    `json.dumps` itself escapes only the characters below U+0020.
    """
    return _ACTING_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
