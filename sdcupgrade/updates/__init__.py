"""Where bits come from: the updates server, which image "latest" means, and verified, resumable fetches."""
