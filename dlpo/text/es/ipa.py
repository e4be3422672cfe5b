"""IPA -> symbols of Spanish; sounds of other languages become the nearest."""

from __future__ import annotations

from dlpo.text.common.phonemes import Ipa
from dlpo.text.es.tables import table

SYMBOL_OF = {written: symbol for written, (symbol,) in table("ipa").items()}
parse_ipa = Ipa(SYMBOL_OF, "Spanish", "saˈpa.to").parse
