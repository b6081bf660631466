"""What writes the mirror, under its one lock, and what counts it. It knows no network."""
