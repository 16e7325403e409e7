"""All rows, in one list."""

from __future__ import annotations

import commandlines
import rows_attacks
import rows_inputs
import rows_outputs
import rows_peers
import rows_rights
import rows_signals
import rows_streams
import rows_words
from situation import Row

ROWS: list[Row] = [
    *commandlines.ROWS,
    *rows_streams.ROWS,
    *rows_outputs.ROWS,
    *rows_rights.ROWS,
    *rows_inputs.ROWS,
    *rows_peers.ROWS,
    *rows_signals.ROWS,
    *rows_words.ROWS,
    *rows_attacks.ROWS,
]
