"""Signing and publishing releases of sdcupgrade: keys, TUF metadata, images on an updates server.

For the keeper of releases, not for a headnode: uses python-tuf, securesystemslib, cryptography and requests. The
program is ``__main__``; docs/release.md is the ceremony.
"""
