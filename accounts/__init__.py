"""WHO: the accounts a sweep visits and the credentials to enter them. Imports nothing of orchestrator."""
