"""The engine as a library: what a process opens, and requests on its own event loop."""
