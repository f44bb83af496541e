"""Where the API is, by what is set."""

import pytest

from wootric_pipeline.api.address import DEFAULT_BASE_URL, address_of, checked, sign_in_base
from wootric_pipeline.errors import ConfigurationError


@pytest.mark.parametrize(
    ("base_url", "region", "address"),
    [
        (DEFAULT_BASE_URL, None, "https://api.wootric.com"),
        (DEFAULT_BASE_URL, "us", "https://api.wootric.com"),
        (DEFAULT_BASE_URL, "eu", "https://api.wootric.eu"),
        (DEFAULT_BASE_URL, " AU\n", "https://api.wootric.au"),
        ("https://api.wootric.eu", None, "https://api.wootric.eu"),
        ("https://api.wootric.eu", "eu", "https://api.wootric.eu"),
        ("https://app.wootric.eu/api", "eu", "https://app.wootric.eu/api"),
        ("https://gateway.example.com/wootric", "eu", "https://gateway.example.com/wootric"),
        ("https://wootric.com.example.com", "eu", "https://wootric.com.example.com"),
    ],
)
def test_the_address_is_what_is_set_or_the_regions(base_url: str, region: str | None, address: str) -> None:
    assert address_of(base_url, region) == address


@pytest.mark.parametrize(
    "base_url", ["https://app.wootric.com/api", "https://APP.WOOTRIC.AU/api", "https://wootric.com."]
)
def test_an_address_of_another_region_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        address_of(base_url, "eu")
    assert str(raised.value) == (
        "base_url and region must not contradict each other: the region eu is at https://api.wootric.eu; leave one of "
        "them out."
    )


@pytest.mark.parametrize("region", ["", "europe", "com"])
def test_a_region_that_there_is_not_is_refused(region: str) -> None:
    with pytest.raises(ConfigurationError, match="region must be one of us, eu, au"):
        address_of(DEFAULT_BASE_URL, region or " ")


@pytest.mark.parametrize(
    ("base_url", "sign_in"),
    [
        ("https://app.wootric.eu/api", "https://app.wootric.eu"),
        ("https://app.wootric.com/api/", "https://app.wootric.com"),
        ("https://api.wootric.com", "https://api.wootric.com"),
        ("https://gateway.example.com/api", "https://gateway.example.com/api"),
    ],
)
def test_wootrics_app_host_signs_in_at_its_root(base_url: str, sign_in: str) -> None:
    assert sign_in_base(checked(base_url)) == sign_in
