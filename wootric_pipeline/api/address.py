"""Where the API is.

Facts: accounts in Europe and Australia have hosts of their own, `.eu` and `.au` in place of `.com`. The vendor's SDK
reaches the same lists as `https://app.wootric.com/api/v1/...`, and signs in at the root of that host.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..errors import ConfigurationError

HOSTS: Mapping[str, str] = {"us": "wootric.com", "eu": "wootric.eu", "au": "wootric.au"}
"""The domain of Wootric in each region."""

DEFAULT_BASE_URL = f"https://api.{HOSTS['us']}"

_APP = re.compile(r"(https://app\.wootric\.(?:com|eu|au))/api", re.IGNORECASE)


def address_of(base_url: str, region: str | None) -> str:
    """The base URL that the two settings mean.

    Args:
        base_url: An address; that of the default region is that of any.
        region: `us`, `eu` or `au`; None is whatever the address says, or `us`.

    Raises:
        ConfigurationError: There is no such region, or the address is Wootric's in another one.
    """
    domain = HOSTS.get((region or "us").strip().lower())
    if domain is None:
        raise ConfigurationError(f"region must be one of {', '.join(HOSTS)}.")
    if base_url == DEFAULT_BASE_URL:
        return f"https://api.{domain}"
    host = f".{(urlsplit(checked(base_url)).hostname or '').rstrip('.')}"
    # What is not Wootric's, such as a gateway, may stand before any region.
    if region is not None and any(host.endswith(f".{other}") for other in HOSTS.values() if other != domain):
        raise ConfigurationError(
            f"base_url and region must not contradict each other: the region {region.strip().lower()} is at "
            f"https://api.{domain}; leave one of them out."
        )
    return base_url


def setting_of(base_url: str, region: str | None) -> str | None:
    """The setting that the address comes from; None where none says anything. See `address_of`."""
    if base_url != DEFAULT_BASE_URL:
        return "base_url"
    return "region" if region is not None else None


def checked(base_url: str) -> str:
    """A base URL without a slash at its end.

    Raises:
        ConfigurationError: It is no address, or credentials would travel in the clear.
    """
    base_url = base_url.strip()
    try:
        parts = urlsplit(base_url)
    except ValueError:
        raise ConfigurationError("base_url must be an address such as https://api.wootric.com.") from None
    loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError("base_url must be an address only, without credentials or a query.")
    if not parts.hostname or parts.scheme not in ("https", "http"):
        raise ConfigurationError("base_url must be an address such as https://api.wootric.com.")
    if parts.scheme == "http" and not loopback:
        raise ConfigurationError(
            f"base_url must begin with https: {parts.hostname} would get the credentials in the clear."
        )
    return base_url.rstrip("/")


def sign_in_base(base_url: str) -> str:
    """Below which address a token is asked for: the base URL, but on Wootric's own `app` host the root of that."""
    app = _APP.fullmatch(base_url)
    return app[1] if app else base_url
