"""Everything this package raises.

    WootricError              anything that stops a table from being read completely
    ├── ConfigurationError    a setting, an argument or the account's address is wrong     exit code 2
    ├── AuthenticationFailed  Wootric refuses the credentials                              exit code 2
    │   └── ListRefused       they may not read one list                                   exit code 2
    ├── ApiUnavailable        no usable answer within the time given to retries            exit code 1
    │   ├── HostUnreachable   not even an error, from the first request on                 exit code 1
    │   └── RateLimitExceeded only 429 answers within that time                            exit code 1
    ├── UnexpectedAnswer      an answer that is not what the API documents                 exit code 1
    │   ├── RequestRefused    status 400: a parameter is not taken                         exit code 1
    │   ├── NotThere          status 404: there is nothing at a path                       exit code 1
    │   └── DatesIgnored      the answer for a range of days is that without dates         exit code 1
    └── IncompleteScan        rows exist, or may exist, that the API does not reveal       exit code 1

A message is one plain sentence for the person who runs the loader. It names rows by table and id, never by
their content, and shows no address with credentials in it.
"""


class WootricError(Exception):
    """The root: catch it to catch everything this package raises."""


class ConfigurationError(WootricError):
    """A setting or an argument has to be changed before anything can be read."""


class AuthenticationFailed(WootricError):
    """The credentials, or a fresh token made with them, are refused."""


class ListRefused(AuthenticationFailed):
    """The credentials may not read one list; others they may."""


class ApiUnavailable(WootricError):
    """The service gave no usable answer for as long as retries are allowed to take."""


class HostUnreachable(ApiUnavailable):
    """The host has never answered, so that no table can be read."""


class RateLimitExceeded(ApiUnavailable):
    """The service answered 429 for as long as retries are allowed to take."""


class UnexpectedAnswer(WootricError):
    """The service answered with something its documentation rules out; retrying would not help."""


class RequestRefused(UnexpectedAnswer):
    """The service does not take a parameter of a request, which another service may ignore."""


class NotThere(UnexpectedAnswer):
    """The service has nothing at a path, at least for this account."""


class DatesIgnored(UnexpectedAnswer):
    """An overview by day that does not look at the days it is asked for."""


class IncompleteScan(WootricError):
    """Rows of a range cannot be shown to be all read."""
