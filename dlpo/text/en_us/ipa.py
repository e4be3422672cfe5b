"""IPA -> ARPAbet.

Besides the symbols of American English: British vowels, allophones and common foreign sounds, each
as the nearest American sound.
"""

from __future__ import annotations

from dlpo.text.common.phonemes import Ipa
from dlpo.text.en_us.tables import TABLES

ARPABET = TABLES.column("ipa")
parse_ipa = Ipa(ARPABET, "English", "həˈloʊ").parse
