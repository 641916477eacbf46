"""A round as a whole: parameters, opening, running, closing, request and plan."""
