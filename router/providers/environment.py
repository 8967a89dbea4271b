"""What the environment says about the way to a server: proxies and trusted certificates. Never `.netrc`."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import httpx

from router.core.errors import ConfigError, ConnectionFailed

_ENTRY = re.compile(r"(\[[^\]]*\]|[^:\s]*|\S*:\S*:\S*?)(?::(\d+))?")
"""An entry of NO_PROXY, and its port; an IPv6 address has a port only behind its brackets."""


class Proxy(NamedTuple):
    """A proxy, and the variable that names it; the address may hold a password."""

    variable: str
    address: str


def proxy_for(url: httpx.URL, proxies: Mapping[str, str]) -> Proxy | None:
    """The proxy for an address; None if it is called directly.

    Args:
        proxies: addresses by scheme, `all` and `no` among them, as `urllib.request.getproxies_environment` gives them.
    """
    scheme = url.scheme if url.scheme in proxies else "all"
    if scheme not in proxies or _is_exempt(url, proxies.get("no", "")):
        return None
    return Proxy(f"{scheme.upper()}_PROXY", proxies[scheme])


def usable(proxy: Proxy) -> httpx.Proxy:
    """The proxy as the transport needs it, with its password in a header.

    Raises:
        ConnectionFailed: it cannot be used.
    """
    address = proxy.address if "://" in proxy.address else f"http://{proxy.address}"
    if address.lower().startswith("socks"):
        raise ConnectionFailed(
            f"{proxy.variable} names a SOCKS proxy, which is not supported. Name an HTTP proxy there, or the model's"
            " host in NO_PROXY."
        )
    try:
        found = httpx.Proxy(address)
    except (ValueError, httpx.InvalidURL):  # its text is not repeated: it may hold a password
        raise ConnectionFailed(
            f"{proxy.variable} does not hold the address of a proxy. Write it as http://host:port."
        ) from None
    if found.raw_auth is None:
        return found
    password = base64.b64encode(b":".join(found.raw_auth)).decode()
    return httpx.Proxy(found.url, headers={"Proxy-Authorization": f"Basic {password}"})


def _is_exempt(url: httpx.URL, no_proxy: str) -> bool:
    port = url.port or (443 if url.scheme == "https" else 80)
    matches = (_ENTRY.fullmatch(entry) for entry in re.split(r"[,\s]+", no_proxy.lower()) if entry)
    return any(match and match[2] in (None, str(port)) and _covers(match[1].strip("[]"), url.host) for match in matches)


def _covers(name: str, host: str) -> bool:
    """Whether a name, an address or a network (CIDR) of NO_PROXY means a host; a domain means all names below it."""
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        domain = name.removeprefix("*").removeprefix(".")
        return name == "*" or (domain != "" and f".{host}".endswith(f".{domain}"))


def trusted_certificates() -> ssl.SSLContext:
    """TLS that trusts the system's certificates, or those that SSL_CERT_FILE and SSL_CERT_DIR name.

    Raises:
        ConfigError: a variable names files that cannot be used; OpenSSL would then trust nobody without saying why.
    """
    try:
        context = ssl.create_default_context()
    except OSError as error:
        raise _unusable("SSLKEYLOGFILE", os.environ.get("SSLKEYLOGFILE", ""), error) from None
    if file := os.environ.get("SSL_CERT_FILE"):
        try:
            context.load_verify_locations(cafile=file)
        except OSError as error:
            raise _unusable("SSL_CERT_FILE", file, error) from None
    folders = os.environ.get("SSL_CERT_DIR", "").split(os.pathsep)
    if any(folders):
        try:
            list(Path(next(filter(os.path.isdir, folders), folders[0])).iterdir())
        except OSError as error:
            raise _unusable("SSL_CERT_DIR", os.pathsep.join(folders), error) from None
    return context


def _unusable(variable: str, path: str, error: OSError) -> ConfigError:
    reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else (error.strerror or "unusable").lower()
    return ConfigError(f"{variable} names {path}, which cannot be used: {reason}. Correct the variable, or unset it.")
