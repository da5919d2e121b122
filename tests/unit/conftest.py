"""What holds for all unit tests."""

from __future__ import annotations

from ansible_collections.llmfleet.conda.tests.unit.plugins import property_profile

property_profile.load()
