"""A PKCS#11 token behind lines of JSON: the keys are made in it and never leave it. Reads requests, writes answers in their order."""

import base64
import json
import os
import sys

import PyKCS11 as pkcs11

P256 = bytes.fromhex("06082a8648ce3d030107")
SECRET = [
    (pkcs11.CKA_TOKEN, pkcs11.CK_TRUE),
    (pkcs11.CKA_PRIVATE, pkcs11.CK_TRUE),
    (pkcs11.CKA_SENSITIVE, pkcs11.CK_TRUE),
    (pkcs11.CKA_EXTRACTABLE, pkcs11.CK_FALSE),
]


def open_session():
    library = pkcs11.PyKCS11Lib()
    library.load(os.environ["PKCS11_MODULE"])
    slots = library.getSlotList(tokenPresent=True)
    named = [slot for slot in slots if library.getTokenInfo(slot).label.strip() == os.environ["PKCS11_TOKEN"]]
    session = library.openSession(named[0], pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION)
    session.login(os.environ["PKCS11_PIN"])
    return session


session = open_session()


def find(kind, label):
    found = session.findObjects([(pkcs11.CKA_CLASS, kind), (pkcs11.CKA_LABEL, label)])
    if len(found) != 1:
        raise LookupError("there is no one key of that label")
    return found[0]


def gcm(request):
    return pkcs11.AES_GCM_Mechanism(base64.b64decode(request["iv"]), base64.b64decode(request["aad"]), 128)


def make_signing_key(request):
    label = (pkcs11.CKA_LABEL, request["label"])
    public = [(pkcs11.CKA_EC_PARAMS, P256), (pkcs11.CKA_TOKEN, pkcs11.CK_TRUE), label]
    private = [*SECRET, (pkcs11.CKA_SIGN, pkcs11.CK_TRUE), label]
    session.generateKeyPair(public, private, pkcs11.Mechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, None))


def make_master_key(request):
    template = [
        *SECRET,
        (pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
        (pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
        (pkcs11.CKA_VALUE_LEN, 32),
        (pkcs11.CKA_ENCRYPT, pkcs11.CK_TRUE),
        (pkcs11.CKA_DECRYPT, pkcs11.CK_TRUE),
        (pkcs11.CKA_LABEL, request["label"]),
    ]
    session.generateKey(template, pkcs11.MechanismAESGENERATEKEY)


def public_point(request):
    """The point of the curve, without the header of the octet string that wraps it."""
    return bytes(session.getAttributeValue(find(pkcs11.CKO_PUBLIC_KEY, request["label"]), [pkcs11.CKA_EC_POINT])[0])[2:]


def sign(request):
    key = find(pkcs11.CKO_PRIVATE_KEY, request["label"])
    return bytes(session.sign(key, base64.b64decode(request["data"]), pkcs11.Mechanism(pkcs11.CKM_ECDSA, None)))


def encrypt(request):
    key = find(pkcs11.CKO_SECRET_KEY, request["label"])
    return bytes(session.encrypt(key, base64.b64decode(request["data"]), gcm(request)))


def decrypt(request):
    key = find(pkcs11.CKO_SECRET_KEY, request["label"])
    return bytes(session.decrypt(key, base64.b64decode(request["data"]), gcm(request)))


def read_key(request):
    """What the token says when it is asked for the key itself: nothing."""
    kind = {"private": pkcs11.CKO_PRIVATE_KEY, "secret": pkcs11.CKO_SECRET_KEY}[request["kind"]]
    value = session.getAttributeValue(find(kind, request["label"]), [pkcs11.CKA_VALUE])[0]
    return None if value is None else bytes(value)


OPERATIONS = {
    "makeSigningKey": make_signing_key,
    "makeMasterKey": make_master_key,
    "publicPoint": public_point,
    "sign": sign,
    "encrypt": encrypt,
    "decrypt": decrypt,
    "readKey": read_key,
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        result = OPERATIONS[request["operation"]](request)
        answer = {"result": None if result is None else base64.b64encode(result).decode()}
    except (pkcs11.PyKCS11Error, LookupError) as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
