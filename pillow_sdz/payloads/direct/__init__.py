"""The direct payload: the 8-bit codes, losslessly coded, without further quantisation."""
