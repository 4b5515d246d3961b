"""Whom to believe: a client of The Update Framework (specification 1.0), as pure rules.

Bytes go in, verified values come out, and everything else raises :class:`~sdcupgrade.errors.Untrusted`. Nothing here
reads a file, asks a server or looks at a clock: :mod:`sdcupgrade.updates.trusted` does, and hands in what it got.
:mod:`client` has the order in which metadata is believed, :mod:`metadata` and :mod:`delegations` read it, :mod:`keys`
decides what a signature is worth, and :mod:`ed25519`, :mod:`ecdsa` and :mod:`rsa` check one. They only ever see public
values, so none of them needs constant time.
"""
