"""Tests of accounts: who is swept, and by which credentials."""
