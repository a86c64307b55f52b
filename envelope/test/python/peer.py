"""One end of a channel, the client's or the server's: reads a JSON object a line, answers each with one.

    {"do": "<a function below>", ...its arguments}
"""

import json
import sys

from channel import (
    agree,
    channel_keys,
    channel_root,
    open_message,
    open_numbered,
    proof_payload,
    seal_message,
    sign_proof,
    verify_proof,
)
from stateless import decode, ephemeral_key, open_answer, open_request, raw_point, require, seal_answer, seal_request

JTI = "AAECAwQFBgcICQoLDA0ODw"
state = {}


def begin(front, binding, now, crv=None):
    """The client seals a handshake."""
    share, own = ephemeral_key(crv) if crv else (None, None)
    plaintext = json.dumps({"key_share": share} if share else {})
    key, envelope = seal_request(front, plaintext, binding, now, JTI)
    state.update(key=key, binding=binding, own=own)
    return envelope


def finish(answer, sig_jwks):
    """The client opens the answer."""
    members = json.loads(open_answer(state["key"], answer, state["binding"], JTI))
    root, own = state["key"], state["own"]
    require(("key_share" in members) == ("proof" in members) == (own is not None))
    if own:
        points = raw_point(own), raw_point(members["key_share"])
        seen = proof_payload(members["sid"], state["binding"], *points, members["expires_in"])
        verify_proof(members["proof"], sig_jwks, seen)
        root = channel_root(root, agree(own, members["key_share"]), *points)
    state.update(sid=members["sid"], keys=channel_keys(root, members["sid"]), n=0)
    return members["sid"]


def send(plaintext, binding):
    """The client seals a message."""
    state["n"] += 1
    return seal_message(state["keys"][0], "c2s", state["sid"], state["n"], binding, plaintext)


def read(answer, binding):
    """The client opens the answer to its last message."""
    return open_message(state["keys"][1], "s2c", state["sid"], state["n"], binding, answer).decode()


def accept(front, envelope, binding, now, sid, sig_jwk):
    """The server answers a handshake."""
    key, plaintext, _ = open_request({front["kid"]: front}, envelope, binding, now, True)
    members, root, share = {"sid": sid, "expires_in": 900}, key, json.loads(plaintext).get("key_share")
    if share:
        public, own = ephemeral_key(share["crv"])
        points = raw_point(share), raw_point(public)
        root = channel_root(key, agree(own, share), *points)
        members.update(key_share=public, proof=sign_proof(proof_payload(sid, binding, *points, 900), sig_jwk))
    state.update(sid=sid, keys=channel_keys(root, sid))
    jti = json.loads(decode(envelope["aad"]))["jti"]
    return seal_answer(key, json.dumps(members), binding, jti)


def respond(envelope, binding, answer):
    """The server opens a message and answers it."""
    plaintext = open_numbered(state["keys"][0], "c2s", state["sid"], binding, envelope).decode()
    sealed = seal_message(state["keys"][1], "s2c", state["sid"], envelope["n"], binding, answer)
    return {"plaintext": plaintext, "answer": sealed}


FUNCTIONS = {function.__name__: function for function in (begin, finish, send, read, accept, respond)}

for line in sys.stdin:
    arguments = json.loads(line)
    print(json.dumps(FUNCTIONS[arguments.pop("do")](**arguments)), flush=True)
