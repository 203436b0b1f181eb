"""What exists: accounts, roles, groups and their rules, as values; and how a seed makes a world of them."""
