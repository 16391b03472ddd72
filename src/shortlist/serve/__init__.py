"""HTTP: recommendations, live events, and the page."""
