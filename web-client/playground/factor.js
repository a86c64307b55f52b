import { byId, h } from "./dom.js";
import { createAuthenticator } from "./totp.js";

const authenticator = createAuthenticator();
const value = (id) => byId(id).value;
const CODE_FIELDS = ["verify-code", "confirm-code", "disable-code", "prove-code"];

/** The challenge of a login that waits for its code. */
let challenge;

/** What a user does with a second factor: by the id of the form or button that does it. */
const FACTOR_ACTIONS = {
  verify: {
    title: "Verify the code",
    input: () => JSON.stringify({ mfa_challenge: challenge, code: value("verify-code"), use_cookie: true }),
    async work({ client }) {
      await client.verifyMfa({ challenge, code: value("verify-code") });
      endChallenge();
    },
  },
  enroll: {
    title: "Make a secret",
    input: () => "{}",
    async work({ client }, call) {
      showSecret(await client.enrollTotp());
      call.stayAt = byId("enrollment");
    },
  },
  confirm: {
    title: "Turn the second factor on",
    input: () => JSON.stringify({ code: value("confirm-code") }),
    async work({ client }, call) {
      const { recoveryCodes } = await client.confirmTotp(value("confirm-code"));
      showRecoveryCodes(recoveryCodes);
      call.stayAt = byId("recovery");
    },
  },
  regenerate: {
    title: "New recovery codes",
    input: () => "{}",
    async work({ client }, call) {
      showRecoveryCodes(await client.regenerateRecoveryCodes());
      call.stayAt = byId("recovery");
    },
  },
  disable: {
    title: "Turn the second factor off",
    input: () => JSON.stringify({ code: value("disable-code") }),
    async work({ client }) {
      await client.disableTotp(value("disable-code"));
      byId("enroll").focus();
    },
  },
  prove: {
    title: "Prove who you are",
    input: () => JSON.stringify({ password: value("prove-password"), code: value("prove-code") }),
    work: ({ client }) => client.reauthenticate({ password: value("prove-password"), code: value("prove-code") }),
  },
};

export function startFactor({ perform }) {
  for (const [id, action] of Object.entries(FACTOR_ACTIONS)) {
    const control = byId(id);
    control.addEventListener(control.tagName === "FORM" ? "submit" : "click", (event) => {
      event.preventDefault();
      perform(id, action);
    });
  }
  for (const id of CODE_FIELDS) {
    byId(`${id}-fill`).addEventListener("click", async () => {
      byId(id).value = await authenticator.nextCode();
      byId(id).focus();
    });
  }
  byId("enroll-cancel").addEventListener("click", () => {
    hideSecret();
    byId("factor-offer").hidden = false;
    byId("enroll").focus();
  });
  byId("recovery-done").addEventListener("click", () => {
    byId("recovery").hidden = true;
    byId("recovery-codes").replaceChildren();
    byId("regenerate").focus();
  });
}

/** A login that asks for the code: the form for it comes up, and takes the focus. */
export function showChallenge(result) {
  challenge = result.challenge;
  byId("verify").hidden = false;
  byId("verify-code").value = "";
  byId("verify-code").focus();
}

/** What fits the user who is there now. Nobody sees the secret or the codes of another. */
export function showFactor(user, { isAnother }) {
  const isOn = user?.mfaEnabled === true;
  if (isAnother) {
    endChallenge();
    byId("recovery").hidden = true;
    byId("recovery-codes").replaceChildren();
  }
  if (isAnother || isOn) hideSecret();
  byId("factor-state").textContent =
    user === undefined ? "Log in to turn it on." : isOn ? "On: a login asks for a code." : "Off: a password is enough.";
  byId("enroll").hidden = user === undefined || isOn;
  byId("factor-offer").hidden = !byId("enrollment").hidden;
  byId("factor-on").hidden = !isOn;
  byId("prove-more").hidden = user === undefined;
}

function endChallenge() {
  challenge = undefined;
  byId("verify").hidden = true;
}

function showSecret({ secret, qrSvg }) {
  authenticator.keep(secret);
  for (const id of CODE_FIELDS) byId(`${id}-fill`).hidden = false;
  byId("enrollment").hidden = false;
  byId("factor-offer").hidden = true;
  byId("qr").src = `data:image/svg+xml,${encodeURIComponent(qrSvg)}`;
  byId("secret").textContent = secret.match(/.{4}/g).join(" ");
  byId("confirm-code").value = "";
  byId("confirm-code").focus();
}

function hideSecret() {
  byId("enrollment").hidden = true;
  byId("qr").removeAttribute("src");
  byId("secret").textContent = "";
}

function showRecoveryCodes(codes) {
  byId("recovery").hidden = false;
  byId("recovery-codes").replaceChildren(...codes.map((code) => h("li", {}, h("code", {}, code))));
  byId("recovery-title").focus();
}
