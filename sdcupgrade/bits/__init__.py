"""gzbits: what the global zone holds outside any zone. Its manifest, and tarballs read as if somebody meant harm."""
