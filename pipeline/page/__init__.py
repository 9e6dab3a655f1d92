"""The report: a single HTML page that needs no network and no other files."""
