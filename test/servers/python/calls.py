"""Uses the official Python client as the tests say: a line of JSON on standard input for each use, and one with its outcome.

calls.py sync|async: which of its two Auth classes is used. A use is `{"use": …}` with one of
    methods                                                the names of all methods that the client has
    call       options, method, args                       what a method replies; after its parameters, args has its payload and its query
    signedUrl  options, method, args                       a URL with a bewit
    header     options, url, httpMethod                    an `Authorization` header for a request of any service
    temporary  clientId, accessToken, scopes, name?        temporary credentials for ten minutes
Its outcome is `{"reply": …}`, or `{"error": {"name", "message", "statusCode"?, "code"?}}`.
"""

import asyncio
import base64
import inspect
import json
import sys
from datetime import datetime, timedelta, timezone

# The client of 2018 uses a name that Python 3.9 took away.
if not hasattr(base64, "encodestring"):
    base64.encodestring = base64.encodebytes

import mohawk
import taskcluster.aio
import taskcluster.client


def arguments(entry, args):
    """The keywords with which a method is called: its parameters come first, then its payload and its query."""
    rest = list(args)
    keywords = {"params": {name: rest.pop(0) for name in entry["args"]}}
    if "input" in entry:
        keywords["payload"] = rest.pop(0)
    if rest:
        keywords["query"] = rest.pop(0)
    return keywords


def header(auth, url, method):
    credentials = auth.options["credentials"]
    signing = {"id": credentials["clientId"], "key": credentials["accessToken"], "algorithm": "sha256"}
    signed = mohawk.Sender(signing, url, method, content="", content_type="", ext=auth.makeHawkExt())
    return signed.request_header


def temporary(clientId, accessToken, scopes, name=None):
    start = datetime.now(timezone.utc)
    expiry = start + timedelta(minutes=10)
    made = taskcluster.client.createTemporaryCredentials(clientId, accessToken, start, expiry, scopes, name)
    return {key: value.decode() if isinstance(value, bytes) else value for key, value in made.items()}


async def outcome(connect, use, options=None, method=None, args=(), **others):
    if use == "methods":
        return sorted(taskcluster.Auth.funcinfo)
    if use == "temporary":
        return temporary(**others)
    auth = connect(options)
    if use == "header":
        return header(auth, others["url"], others["httpMethod"])
    keywords = arguments(auth.funcinfo[method], args)
    if use == "signedUrl":
        return auth.buildSignedUrl(method, **keywords)
    reply = getattr(auth, method)(**keywords)
    return await reply if inspect.isawaitable(reply) else reply


def described(error):
    body = getattr(error, "body", None) or {}
    known = {
        "name": type(error).__name__,
        "message": str(error),
        "statusCode": getattr(error, "status_code", None),
        "code": body.get("code"),
    }
    return {key: value for key, value in known.items() if value is not None}


async def main(mode):
    async with taskcluster.aio.createSession() as session:
        def connect(options):
            return taskcluster.Auth(options) if mode == "sync" else taskcluster.aio.Auth(options, session=session)

        for line in sys.stdin:
            try:
                answer = {"reply": await outcome(connect, **json.loads(line))}
            except Exception as error:
                answer = {"error": described(error)}
            print(json.dumps(answer), flush=True)


asyncio.run(main(sys.argv[1]))
