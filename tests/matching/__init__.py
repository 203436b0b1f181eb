"""Tests of how names, tags, accounts and folders match."""
