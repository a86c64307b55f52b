"""Checks the vectors with the two modules beside this one.

    python3 vectors.py [more positive vector files...]

Prints how many values it checked; exits 1 and names the rows that differ otherwise.
"""

import json
import sys
from pathlib import Path

from channel import (
    agree,
    channel_keys,
    channel_root,
    check_share,
    message_aad,
    open_message,
    open_numbered,
    proof_payload,
    verify_proof,
)
from stateless import decode, encode, ephemeral_key, open_answer, open_request, outcome, raw_point, shared_secret

VECTORS = Path(__file__).resolve().parent.parent.parent / "vectors"
OK = ("ok", "")


def check_positive(file):
    content = json.loads(Path(file).read_text())
    jwk = content["private_jwk"]
    for case in content["cases"]:
        key, plaintext, replay_id = open_request(
            {jwk["kid"]: jwk}, case["envelope"], case["binding"], case.get("ts", content["now"]), "ts" in case
        )
        yield case["name"], "plaintext", plaintext.decode(), case["plaintext"]
        yield case["name"], "replay_id", replay_id, case.get("replay_id")
        if "content_key" in case:
            yield case["name"], "content_key", encode(key), case["content_key"]
        if "shared_secret" in case:
            epk = case["envelope"]["epk"]
            yield case["name"], "shared_secret", encode(shared_secret(jwk, epk)), case["shared_secret"]
            yield case["name"], "hkdf_salt", encode(raw_point(epk) + raw_point(jwk)), case["hkdf_salt"]
        answer = open_answer(key, case["answer"]["sealed"], case["binding"], case.get("jti"))
        yield case["name"], "answer", answer.decode(), case["answer"]["plaintext"]


def check_negative():
    content = json.loads((VECTORS / "negative.json").read_text())
    keys = {jwk["kid"]: jwk for jwk in content["private_jwks"]}
    for row in content["requests"]:
        got = outcome(
            lambda: open_request(keys, row["envelope"], row["binding"], row["now"], row["aad_required"])[1]
        )
        yield row["name"], "request", got, (row["expect"], row.get("plaintext"))
    for row in content["answers"]:
        got = outcome(lambda: open_answer(decode(row["content_key"]), row["answer"], row["binding"], row["jti"]))
        yield row["name"], "answer", got, (row["expect"], row.get("plaintext"))


def check_channel():
    content = json.loads((VECTORS / "channel.json").read_text())
    for case in content["cases"]:
        name, sid, root = case["name"], case["sid"], decode(case["content_key"])
        if "points" in case:
            client, server = case["key_shares"]["client"], case["key_shares"]["server"]
            yield name, "points", {"client": encode(raw_point(client)), "server": encode(raw_point(server))}, case["points"]
            for own, other in (({**client, "d": case["client_d"]}, server), ({**server, "d": case["server_d"]}, client)):
                yield name, "shared_secret", encode(agree(own, other)), case["shared_secret"]
                root = channel_root(decode(case["content_key"]), agree(own, other), raw_point(client), raw_point(server))
            payload = proof_payload(sid, case["binding"], raw_point(client), raw_point(server), case["expires_in"])
            yield name, "proof_payload", payload, json.loads(case["proof_payload"])
            for proof in case["proofs"]:
                yield name, proof["alg"], outcome(lambda: verify_proof(proof["proof"], content["sig_jwks"], payload)), OK
        keys = channel_keys(root, sid)
        yield name, "root", encode(root), case["root"]
        yield name, "keys", [encode(key) for key in keys], [case["c2s_key"], case["s2c_key"]]
        for message in case["messages"]:
            call = (sid, message["n"], message["binding"])
            for key, direction, sealed in zip(keys, ("c2s", "s2c"), (message, message["answer"])):
                yield name, "aad", message_aad(direction, *call).decode(), sealed["aad"]
                plaintext = open_message(key, direction, *call, sealed["envelope"])
                yield name, direction, plaintext.decode(), sealed["plaintext"]


def check_negative_channel():
    content = json.loads((VECTORS / "channel-negative.json").read_text())
    sid = content["sid"]
    c2s, s2c = channel_keys(decode(content["root"]), sid)
    for row in content["messages"]:
        got = outcome(lambda: open_numbered(c2s, "c2s", sid, row["binding"], row["envelope"]))
        yield row["name"], "message", got, (row["expect"], row.get("plaintext"))
    for row in content["answers"]:
        got = outcome(lambda: open_message(s2c, "s2c", sid, row["n"], row["binding"], row["envelope"]))
        yield row["name"], "answer", got, (row["expect"], row.get("plaintext"))
    seen = {("b" if name == "binding" else name): value for name, value in content["statement"].items()}
    for row in content["proofs"]:
        got = outcome(lambda: verify_proof(row["proof"], content["sig_jwks"], seen))
        yield row["name"], "proof", got, (row["expect"], "" if row["expect"] == "ok" else None)
    for row in content["key_shares"]:
        got = outcome(lambda: accept(row["key_share"]))
        yield row["name"], "key share", got, (row["expect"], "" if row["expect"] == "ok" else None)


def accept(share):
    check_share(share)
    agree(ephemeral_key(share["crv"])[1], share)
    return b""


def main():
    stateless = [file for file in VECTORS.glob("*.json") if file.name.startswith(("rsa-", "ecdh-"))]
    results = [result for file in [*sorted(stateless), *sys.argv[1:]] for result in check_positive(file)]
    results += [*check_negative(), *check_channel(), *check_negative_channel()]
    wrong = [result for result in results if result[2] != result[3]]
    for name, member, got, expected in wrong:
        print(f"{name}: {member} is {got!r}, not {expected!r}", file=sys.stderr)
    print(f"{len(results)} values checked, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


main()
