"""What each kind of destination needs; everything else is dlt's."""
