"""Weights with which the model of index coding 2 starts: constants of the format.

Learned on the codes of training photos (never on test photos) under palettes of 16 to 256 entries, by averaging the
weights at the end of each plane. Rows: classes of activity, still to busy. Columns: the features, in the order that
`context_model` gives. In hundredths.
"""

from __future__ import annotations

from typing import Final

import numpy as np

FOR_CODES: Final = np.array(
    [
        [6, 4, 4, 5, 11, 10, 9, 22, 31, 19, 21, 11, -29, 19],
        [15, 5, -14, 7, 32, 14, 11, 6, 50, 28, 32, 14, -102, 50],
        [14, 7, -9, 10, 40, 19, 19, 16, 30, 24, 24, 11, -76, 36],
        [12, 9, 0, 15, 38, 19, 20, 21, 21, 19, 18, 12, -65, 32],
        [16, 2, -2, 15, 38, 11, 16, 16, 20, 16, 15, 12, -54, 35],
        [20, -1, 1, 11, 30, 7, 17, 21, 18, 13, 13, 10, -45, 38],
        [16, -5, -1, 6, 24, 8, 15, 19, 14, 12, 12, 10, -41, 43],
        [13, 1, 0, 7, 20, 11, 13, 15, 13, 11, 10, 9, -42, 35],
        [13, 7, 2, 4, 17, 12, 11, 12, 13, 11, 9, 9, -45, 14],
        [14, 9, -4, 4, 14, 7, 11, 10, 14, 11, 10, 9, -45, -28],
        [-1, -3, -12, -10, 7, 3, 9, 6, 14, 11, 9, 9, -50, -7],
    ],
    np.int64,
)
"""For a layer of codes."""

FOR_RESIDUALS: Final = np.array(
    [
        [-8, -4, -4, -4, -1, 9, 10, 10, 11, 11, 11, 11, 71, 6],
        [18, 22, -9, 8, 30, 26, 10, -5, 40, 36, 26, 13, -44, 44],
        [25, 26, -19, 3, 36, 31, 3, -15, 48, 32, 26, -11, -61, 41],
        [19, 17, -3, 11, 22, 23, 9, 1, 19, 24, 10, 7, -10, 22],
        [15, 14, -2, 9, 18, 16, 12, 4, 16, 16, 9, 8, 11, 14],
        [-1, 2, 0, 0, 5, 8, 6, 7, 8, 7, 5, 9, 65, 4],
        [1, 1, -3, 3, 8, 6, 8, 5, 10, 9, 6, 7, 59, 6],
        [-2, 0, 0, -1, 6, 6, 5, 6, 6, 5, 7, 6, 66, 5],
        [-4, 1, -1, 1, 2, 3, 4, 4, 6, 5, 6, 5, 66, 2],
        [-4, -1, -4, -1, 2, 1, 2, -2, 5, 6, 6, 5, 62, 0],
        [0, -4, -10, -1, -1, -1, -6, -8, 3, 5, 6, 5, 58, 4],
    ],
    np.int64,
)
"""For a layer of residuals, known by a first palette entry of all 128 (the zero vector)."""
