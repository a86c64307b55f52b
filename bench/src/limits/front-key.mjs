/** What opening an envelope cannot do without: one private operation with the front key, on one thread. */
import * as crypto from "node:crypto";
import { onAsk, rateOf, ready } from "../child.mjs";

const rsa = crypto.generateKeyPairSync("rsa", { modulusLength: 3072 });
const oaep = { padding: crypto.constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };
const wrapped = crypto.publicEncrypt({ key: rsa.publicKey, ...oaep }, crypto.randomBytes(32));

const own = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
const epk = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" });

const operations = {
  rsa: () => crypto.privateDecrypt({ key: rsa.privateKey, ...oaep }, wrapped),
  ecdh: () =>
    crypto.diffieHellman({
      privateKey: own.privateKey,
      publicKey: crypto.createPublicKey({ key: epk, format: "jwk" }),
    }),
};
/** Milliseconds an operation. */
onAsk(async ({ operation, ms }) => 1000 / (await rateOf(operations[operation], ms)));
ready();
