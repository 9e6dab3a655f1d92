"""The report: one page that needs no network and no other file."""
