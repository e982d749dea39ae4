"""Words that every room shares: no input or output here but `settings` and `clock`."""
