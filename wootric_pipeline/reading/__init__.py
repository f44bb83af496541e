"""Reads a list of the API into pages that are proven complete."""
