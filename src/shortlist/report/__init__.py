"""Reports as HTML: describe a `Document`, draw its charts, render it. No other room writes HTML."""
