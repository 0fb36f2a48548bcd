"""Records of the journal: what one append holds, as bytes."""

from __future__ import annotations

import json
from typing import Final

import msgspec

from surefoot.errors import StoreError
from surefoot.journal.events import JournalEvent

_encoder = msgspec.json.Encoder()
_USUAL_BYTES: Final = 1_024
"""Of a record; a buffer that is too small grows in steps."""
_decoder = msgspec.json.Decoder(list[JournalEvent])


def encode_record(events: list[JournalEvent]) -> bytearray:
    """One record: a JSON array of events.

    Half of a surrogate pair, which UTF-8 cannot carry, becomes a question mark: a model of the user's own may reply
    with one, and the run must end in the journal all the same.
    """
    record = bytearray(_USUAL_BYTES)
    try:
        _encoder.encode_into(events, record)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(events, enc_hook=msgspec.json.decode)  # the hook is for `Raw`
        return bytearray(json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace"))
    return record


def decode_record(record: bytes | bytearray) -> list[JournalEvent]:
    """The events of one record.

    Raises:
        StoreError: Not a record of this or an earlier version.
    """
    try:
        return _decoder.decode(record)
    except msgspec.DecodeError as error:
        raise StoreError(f"the journal holds a record that this version cannot read: {error}") from None
