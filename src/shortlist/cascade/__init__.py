"""The three stages joined: model, live state, running a request, the response, training."""
