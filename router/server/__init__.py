"""What stands between the network and the pages: doors, uploads, headers."""
