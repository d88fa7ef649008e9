"""Single ops at typical shapes: rates for each instruction set, beside the machine's peak and LiteRT."""
