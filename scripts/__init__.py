"""The commands behind the Makefile: set-up, demo, tests. No part of the built collection."""
