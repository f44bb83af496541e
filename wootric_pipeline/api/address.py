"""Where the API is."""

from urllib.parse import urlsplit

from ..errors import ConfigurationError


def checked(base_url: str) -> str:
    """A base URL without a slash at its end.

    Raises:
        ConfigurationError: It is no address, or credentials would travel in the clear.
    """
    try:
        parts = urlsplit(base_url)
    except ValueError:
        raise ConfigurationError("base_url must be an address such as https://api.wootric.com.") from None
    loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.username or parts.password or parts.query:
        raise ConfigurationError("base_url must be an address only, without credentials or a query.")
    if not parts.hostname or parts.scheme not in ("https", "http"):
        raise ConfigurationError("base_url must be an address such as https://api.wootric.com.")
    if parts.scheme == "http" and not loopback:
        raise ConfigurationError(
            f"base_url must begin with https: {parts.hostname} would get the credentials in the clear."
        )
    return base_url.rstrip("/")
