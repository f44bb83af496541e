"""What the rows say, and whether they are all there."""
