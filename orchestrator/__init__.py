"""The sweep: see, judge, decide, act, prove and tell."""
