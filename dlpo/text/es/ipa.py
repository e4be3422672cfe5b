"""IPA -> symbols of Spanish; sounds of other languages become the nearest."""

from __future__ import annotations

from dlpo.text.common.phonemes import Ipa
from dlpo.text.es.tables import TABLES

SYMBOL_OF = TABLES.column("ipa")
parse_ipa = Ipa(SYMBOL_OF, "Spanish", "saˈpa.to").parse
