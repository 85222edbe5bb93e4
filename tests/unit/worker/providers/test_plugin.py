"""What the vendors' plugins have in common."""

from __future__ import annotations

import pytest

from worker.providers.plugin import with_path


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ("https://dg.example", "https://dg.example/v1/listen"),
        ("https://dg.example/v1", "https://dg.example/v1/listen"),
        ("https://dg.example/v1/listen", "https://dg.example/v1/listen"),
        ("http://127.0.0.1:8080/proxy", "http://127.0.0.1:8080/proxy/v1/listen"),
    ],
)
def test_a_base_url_may_be_given_with_or_without_its_path(given: str, whole: str) -> None:
    assert with_path(given, "/v1", "/listen") == whole
