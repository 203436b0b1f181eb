"""Alibaba Cloud on loopback, for the demo, the tests and users' own CI. Shares no code with the other rooms."""
