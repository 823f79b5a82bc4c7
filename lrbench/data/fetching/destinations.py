"""Where a redirect may lead: not from https to http, and not from outside to this machine or its network.

Otherwise a server could make lrbench read what only this machine can reach, and print the first line of it.
Names of hosts are not looked up here. A name that belongs to a private address is therefore not noticed.
"""

from ipaddress import ip_address

import httpx

from lrbench.data.addresses import public_address

__all__ = ["RedirectError", "refuse_redirect"]


class RedirectError(Exception):
    """A redirect leads to a forbidden address; the message says to which."""


def refuse_redirect(source: httpx.URL, target: httpx.URL) -> None:
    """Refuse a redirect from one address to another.

    Raises:
        RedirectError: it leads to another scheme than http and https, from https to http, or to a private
            address from one that is not.
    """
    where = f"it redirects to {public_address(str(target))}"
    if target.scheme not in ("http", "https"):
        raise RedirectError(f"{where}, which is no http or https address")
    if source.scheme == "https" and target.scheme == "http":
        raise RedirectError(f"{where}, which is not encrypted")
    if _is_private(target.host) and not _is_private(source.host):
        raise RedirectError(f"{where}, which is an address inside this network")


def _is_private(host: str) -> bool:
    """Tell whether a host is this machine or in its network, as far as its name shows."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return not ip_address(host.strip("[]")).is_global
    except ValueError:
        return False
