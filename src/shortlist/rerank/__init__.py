"""From ranked candidates to a slate. Every step permutes or selects; none invents."""
