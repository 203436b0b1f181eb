"""SPEAK: the only room that knows HTTP. Limit, sign, send, classify, retry."""
