"""The gender of Spanish nouns."""

from __future__ import annotations

from dlpo.text.common.nouns import Nouns
from dlpo.text.es.tables import TABLES

NOUNS = Nouns(TABLES, "a-záéíóúüñ")
