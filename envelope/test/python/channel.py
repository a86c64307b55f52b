"""The stateful envelope (docs/envelope.md) a third time, in another language, on python3-cryptography."""

import json

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from stateless import INVALID, UNKNOWN_KEY, Refused, decode, encode, number, raw_point, require, seal, shared_secret

MAX_N = 2**20
TYP = "sello-handshake+jws"
CRV_OF_KTY = {"EC": "P-256", "OKP": "X25519"}
PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


def channel_keys(root, sid):
    infos = (b"sello/1 c2s", b"sello/1 s2c")
    return tuple(HKDF(hashes.SHA256(), 32, sid.encode(), info).derive(root) for info in infos)


def message_aad(direction, sid, n, binding):
    return f"sello/1|{direction}|{sid}|{n}|{binding}".encode()


def seal_message(key, direction, sid, n, binding, plaintext):
    return {"sid": sid, "n": n, **seal(key, plaintext, message_aad(direction, sid, n, binding))}


def open_message(key, direction, sid, n, binding, envelope):
    require(isinstance(envelope, dict) and type(envelope.get("n")) is int and 1 <= envelope["n"] <= MAX_N)
    decode(envelope.get("sid"), 16)
    iv, ct = decode(envelope.get("iv"), 12), decode(envelope.get("ct"))
    require(len(ct) >= 17 and envelope["sid"] == sid and envelope["n"] == n)
    try:
        return AESGCM(key).decrypt(iv, ct, message_aad(direction, sid, n, binding))
    except InvalidTag:
        raise Refused(INVALID) from None


def open_numbered(key, direction, sid, binding, envelope):
    """As a server, which takes the number from the message."""
    require(isinstance(envelope, dict))
    return open_message(key, direction, sid, envelope.get("n"), binding, envelope)


def check_share(share):
    require(isinstance(share, dict) and "d" not in share)
    require(isinstance(share.get("kty"), str) and CRV_OF_KTY.get(share["kty"]) == share.get("crv"))
    require("x" in share and ("y" in share) == (share["kty"] == "EC"))


def agree(own, share):
    check_share({name: value for name, value in share.items() if name != "kid"})
    require(share["crv"] == own["crv"])
    return shared_secret(own, share)


def channel_root(content_key, shared, client_point, server_point):
    return HKDF(hashes.SHA256(), 32, client_point + server_point, b"sello/1 channel").derive(content_key + shared)


def proof_payload(sid, binding, client_point, server_point, expires_in):
    points = {"client": encode(client_point), "server": encode(server_point)}
    return {"sid": sid, "b": binding, **points, "expires_in": expires_in}


def sign_proof(payload, jwk):
    """With an ES256 key."""
    header = {"alg": "ES256", "kid": jwk["kid"], "typ": TYP}
    signed = ".".join(encode(json.dumps(part).encode()) for part in (header, payload))
    key = ec.derive_private_key(number(jwk["d"]), ec.SECP256R1())
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def verify_proof(proof, jwks, seen):
    parts = proof.split(".") if isinstance(proof, str) else []
    require(len(parts) == 3)
    header, payload, signature = (decode(part) for part in parts)
    header = json_object(header)
    require(set(header) == {"alg", "kid", "typ"} and header["typ"] == TYP)
    require(isinstance(header["alg"], str) and isinstance(header["kid"], str) and len(header["kid"]) <= 128)
    found = [jwk for jwk in jwks if jwk["use"] == "sig" and jwk["kid"] == header["kid"]]
    require(found, UNKNOWN_KEY)
    require(found[0]["alg"] == header["alg"])
    try:
        VERIFIERS[header["alg"]](found[0], signature, ".".join(parts[:2]).encode())
    except InvalidSignature:
        raise Refused(INVALID) from None
    require(json_object(payload) == seen)
    return b""


def json_object(data):
    try:
        members = json.loads(data.decode("utf-8", "strict"))
    except ValueError:
        raise Refused(INVALID) from None
    require(isinstance(members, dict))
    return members


def verify_es256(jwk, signature, signed):
    require(len(signature) == 64)
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw_point(jwk))
    key.verify(der, signed, ec.ECDSA(hashes.SHA256()))


def verify_rsa(scheme):
    def verify(jwk, signature, signed):
        rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"])).public_key().verify(
            signature, signed, scheme, hashes.SHA256()
        )

    return verify


def verify_eddsa(jwk, signature, signed):
    ed25519.Ed25519PublicKey.from_public_bytes(decode(jwk["x"], 32)).verify(signature, signed)


VERIFIERS = {
    "ES256": verify_es256,
    "RS256": verify_rsa(padding.PKCS1v15()),
    "PS256": verify_rsa(PSS),
    "EdDSA": verify_eddsa,
}
