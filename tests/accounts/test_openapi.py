"""This app's part of the OpenAPI document."""

from __future__ import annotations

from drf_spectacular.drainage import GENERATOR_STATS, reset_generator_stats
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from accounts.urls import urlpatterns


def test_the_document_is_valid_and_made_without_a_warning(capsys):
    reset_generator_stats()

    document = SchemaGenerator(patterns=urlpatterns).get_schema(request=None, public=True)

    validate_schema(document)
    assert not GENERATOR_STATS, capsys.readouterr().err
    assert sorted(document["paths"]) == [
        "/auth/logout",
        "/auth/refresh",
        "/auth/token",
        "/families",
        "/families/{family_id}/members",
        "/families/{family_id}/members/{user_id}",
        "/families/{id}",
        "/me",
    ]
    assert document["paths"]["/me"]["get"]["security"] == [{"jwtAuth": []}, {"cookieAuth": []}]
