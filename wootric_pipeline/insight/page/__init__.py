"""The page: what the marts say of a stretch of days, as one HTML file without script and network."""
