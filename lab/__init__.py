"""The hermetic lab: real conda parts, hosts and a mirror, made from PyPI, Debian and this machine.

``python -m lab build`` makes everything into the user's cache directory, keyed by content, so that
a second checkout finds it ready.  Nothing in here is part of the collection's artifact.
"""
