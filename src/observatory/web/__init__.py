"""An experiment in the browser: what any experiment has to offer for it, and the page itself."""
