"""A Triton datacenter in a box: one state machine (``core``), its HTTP services (``apis``), its programs
(``commands``), and three faces on them (``faces``): in process, as programs in a fake global zone, and as HTTP servers
on loopback.

Standard library only. What it must reproduce is listed in the reference (Appendix A) and in the recordings; where the
two differ the recordings win.
"""
