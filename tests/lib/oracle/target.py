"""target -- everything that the provider holds, page by page."""

import base64
import json
import ssl
import urllib.parse
import urllib.request

PAGE = 500


class Unreadable(Exception):
    """The provider's answer is not what a list must be."""


def token(env, context):
    request = urllib.request.Request(env["token_url"], urllib.parse.urlencode({"grant_type": "client_credentials"}).encode())
    with open(env["client_secret_file"], encoding="utf-8") as file:
        login = f"{env['client_id']}:{file.read().strip()}"
    request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    with urllib.request.urlopen(request, timeout=30, context=context) as reply:
        return json.load(reply)["access_token"]


def collection(env, context, bearer, endpoint):
    """All resources; refuses a list that changes its size while it is read."""
    resources, total = [], None
    while total is None or len(resources) < total:
        url = f"{env['scim_url']}/{endpoint}?startIndex={len(resources) + 1}&count={PAGE}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {bearer}"})
        with urllib.request.urlopen(request, timeout=120, context=context) as reply:
            page = json.load(reply)
        if total is not None and page["totalResults"] != total:
            raise Unreadable(f"{endpoint} changed while it was read")
        total = page["totalResults"]
        if not page["Resources"] and len(resources) < total:
            raise Unreadable(f"{endpoint} ends after {len(resources)} of {total}")
        resources.extend(page["Resources"])
    return resources


def read(env):
    """(users, groups) as the provider shows them."""
    context = ssl.create_default_context(cafile=env["ca_file"])
    bearer = token(env, context)
    return [collection(env, context, bearer, endpoint) for endpoint in ("Users", "Groups")]
