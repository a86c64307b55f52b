"""The stateless envelope (docs/envelope.md) a third time, in another language, on python3-cryptography."""

import base64
import functools
import json
import os
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

INVALID, UNKNOWN_KEY, EXPIRED = "envelope_invalid", "envelope_unknown_key", "envelope_expired"
ALG_OF_KTY = {"RSA": "RSA-OAEP-256", "EC": "ECDH-ES", "OKP": "ECDH-ES"}


class Refused(Exception):
    """Carries the code."""


def require(condition, code=INVALID):
    if not condition:
        raise Refused(code)


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text, length=None):
    require(isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9_-]*", text) and len(text) % 4 != 1)
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    require(encode(data) == text and (length is None or len(data) == length))
    return data


def number(text):
    return int.from_bytes(decode(text), "big")


def raw_point(jwk):
    if jwk["kty"] == "OKP":
        return decode(jwk["x"], 32)
    return b"\x04" + decode(jwk["x"], 32) + decode(jwk["y"], 32)


@functools.cache
def rsa_private_key(n, e, *private):
    return rsa.RSAPrivateNumbers(*private, rsa.RSAPublicNumbers(e, n)).private_key()


def rsa_content_key(jwk, cek):
    private = rsa_private_key(*(number(jwk[name]) for name in ("n", "e", "p", "q", "d", "dp", "dq", "qi")))
    wrapped = decode(cek, len(decode(jwk["n"])))
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    try:
        key = private.decrypt(wrapped, oaep)
    except ValueError:
        key = b""
    return key if len(key) == 32 else os.urandom(32)


def shared_secret(jwk, epk):
    try:
        if jwk["kty"] == "OKP":
            private = x25519.X25519PrivateKey.from_private_bytes(decode(jwk["d"], 32))
            return private.exchange(x25519.X25519PublicKey.from_public_bytes(raw_point(epk)))
        curve = ec.SECP256R1()
        private = ec.derive_private_key(number(jwk["d"]), curve)
        return private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(curve, raw_point(epk)))
    except ValueError:
        raise Refused(INVALID) from None


def ecdh_content_key(jwk, epk):
    require(isinstance(epk, dict) and "d" not in epk and (epk.get("kty"), epk.get("crv")) == (jwk["kty"], jwk["crv"]))
    require("x" in epk and ("y" in epk) == (jwk["kty"] == "EC"))
    salt = raw_point(epk) + raw_point(jwk)
    return HKDF(hashes.SHA256(), 32, salt, b"sello/1 front").derive(shared_secret(jwk, epk))


def open_sealed(key, sealed):
    require(sealed.get("enc") == "A256GCM")
    iv, ct = decode(sealed.get("iv"), 12), decode(sealed.get("ct"))
    aad = decode(sealed["aad"]) if "aad" in sealed else None
    require(len(ct) >= 17 and (aad is None or len(aad) <= 1024))
    try:
        return AESGCM(key).decrypt(iv, ct, aad or b""), aad
    except InvalidTag:
        raise Refused(INVALID) from None


def members_of(aad, names):
    try:
        members = json.loads(aad.decode("utf-8", "strict"))
    except ValueError:
        raise Refused(INVALID) from None
    require(isinstance(members, dict) and set(members) == set(names))
    return members


def is_whole(value):
    return type(value) is int or (type(value) is float and value.is_integer() and abs(value) < 2**53)


def open_request(keys, envelope, binding, now, aad_required):
    require(isinstance(envelope, dict))
    kid, alg = envelope.get("kid"), envelope.get("alg")
    require(isinstance(kid, str) and len(kid) <= 128)
    carriers = [name for name in ("cek", "epk") if name in envelope]
    require(isinstance(alg, str) and carriers == {"RSA-OAEP-256": ["cek"], "ECDH-ES": ["epk"]}.get(alg))
    require(envelope.get("enc") == "A256GCM" and ("aad" in envelope or not aad_required))
    jwk = keys.get(kid)
    require(jwk is not None, UNKNOWN_KEY)
    require(ALG_OF_KTY[jwk["kty"]] == alg)
    key = rsa_content_key(jwk, envelope["cek"]) if alg == "RSA-OAEP-256" else ecdh_content_key(jwk, envelope["epk"])
    plaintext, aad = open_sealed(key, envelope)
    if aad is None:
        return key, plaintext, None
    members = members_of(aad, ("b", "ts", "jti"))
    require(members["b"] == binding and is_whole(members["ts"]))
    jti = decode(members["jti"], 16)
    require(abs(now - members["ts"]) <= 60, EXPIRED)
    mac = hmac.HMAC(key, hashes.SHA256())
    mac.update(b"sello/1 replay" + jti)
    return key, plaintext, encode(mac.finalize()[:16])


def open_answer(key, answer, binding, jti):
    require(isinstance(answer, dict))
    plaintext, aad = open_sealed(key, answer)
    require(aad is not None)
    members = members_of(aad, ("b",) if jti is None else ("b", "re"))
    require(members["b"] == binding and members.get("re") == jti)
    return plaintext


def seal(key, plaintext, aad):
    iv = os.urandom(12)
    return {"iv": encode(iv), "ct": encode(AESGCM(key).encrypt(iv, plaintext.encode(), aad))}


def seal_request(jwk, plaintext, binding, now, jti):
    """For an ECDH-ES key: the content key and the envelope."""
    epk, own = ephemeral_key(jwk["crv"])
    key = HKDF(hashes.SHA256(), 32, raw_point(epk) + raw_point(jwk), b"sello/1 front").derive(shared_secret(own, jwk))
    aad = json.dumps({"b": binding, "ts": now, "jti": jti}).encode()
    head = {"kid": jwk["kid"], "alg": "ECDH-ES", "enc": "A256GCM", "epk": epk, "aad": encode(aad)}
    return key, {**head, **seal(key, plaintext, aad)}


def seal_answer(key, plaintext, binding, jti):
    aad = json.dumps({"b": binding, "re": jti}).encode()
    return {"enc": "A256GCM", "aad": encode(aad), **seal(key, plaintext, aad)}


def ephemeral_key(crv):
    """The public JWK, and the same with d."""
    if crv == "X25519":
        private = x25519.X25519PrivateKey.generate()
        raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        public = {"kty": "OKP", "crv": crv, "x": encode(private.public_key().public_bytes(*raw))}
        secret = private.private_bytes(raw[0], serialization.PrivateFormat.Raw, serialization.NoEncryption())
        return public, {**public, "d": encode(secret)}
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    point = numbers.public_numbers
    x, y, d = (encode(value.to_bytes(32, "big")) for value in (point.x, point.y, numbers.private_value))
    public = {"kty": "EC", "crv": crv, "x": x, "y": y}
    return public, {**public, "d": d}


def outcome(opening):
    try:
        return "ok", opening().decode()
    except Refused as refused:
        return str(refused), None
