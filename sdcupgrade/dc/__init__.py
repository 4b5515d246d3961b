"""Typed clients of the datacenter: answers parsed into model types, failures turned into errors. No policy here."""
