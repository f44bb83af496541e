"""The certificates of authorities that the environment names in place of those that are installed with requests."""

import os
import ssl

from ..errors import ConfigurationError

VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In which requests looks for them, in this order; of others, such as SSL_CERT_FILE, it takes no notice."""


def check_certificates(path: str) -> None:
    """Raises ConfigurationError if there are no certificates where one of the variables says."""
    variable = next((name for name in VARIABLES if os.environ.get(name) == path), VARIABLES[0])
    if not os.path.exists(path):
        raise ConfigurationError(f"{variable} names a file that does not exist; correct it, or take it away.")
    try:
        folder = os.path.isdir(path)
        ssl.create_default_context(cafile=None if folder else path, capath=path if folder else None)
    except OSError:
        raise ConfigurationError(
            f"{variable} names a file without certificates that can be read; correct it, or take it away."
        ) from None
