import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isRequired } from "../../envelope/test/support/requirements.ts";
import { writeRecoveryKey as writtenByServer } from "../../server/src/crypto/recovery-keys.ts";
import { newUser, PASSWORD } from "../../server/test/support/client.ts";
import { startApp, type TestApp } from "../../server/test/support/start-app.ts";
import { dumpDatabase } from "../../server/test/support/stored.ts";
import { createVault } from "../src/index.ts";
import { readRecoveryKey, writeRecoveryKey } from "../src/recovery-key.ts";
import { keyOfPassphrase, keyOfRecovery, openData, sealData, unwrapDataKey, wrapDataKey } from "../src/vault-keys.ts";
import { chromiumPath, startChromium } from "./support/chromium.ts";
import { codeOf } from "./support/codes.ts";
import { openBrowser, type TestBrowser } from "./support/test-browser.ts";

const PASSPHRASE = "only this page knows it";
const OTHER = "another one it knows";
const DATA = { seed: "correct horse battery staple canary 5f1e", list: [1, "two", null] };

let server: TestApp;
beforeAll(async () => {
  server = await startApp();
});
afterAll(() => server[Symbol.asyncDispose]());

async function somebody(browser: TestBrowser = openBrowser(server)) {
  const page = browser.openTab();
  const who = newUser();
  const user = await page.register(who);
  return { browser, page, user, who, vault: createVault(page) };
}

/** Changes what the server keeps of a vault, as who runs it could. */
async function tamper(userId: string, change: (content: Record<string, never>) => unknown): Promise<void> {
  const { rows } = await server.db.query("SELECT content FROM user_vaults WHERE user_id = $1", [userId]);
  const changed = Buffer.from(JSON.stringify(change(JSON.parse(rows[0].content.toString()))));
  await server.db.query("UPDATE user_vaults SET content = $2 WHERE user_id = $1", [userId, changed]);
}

describe("a vault", () => {
  test("opens with its passphrase, holds what was saved, and opens on another device", async () => {
    const { vault, who } = await somebody();
    expect(await codeOf(vault.open(PASSPHRASE))).toBe("not_found");
    const { recoveryKey, vault: opened } = await vault.create(PASSPHRASE, DATA);
    expect(recoveryKey).toMatch(/^(\w{4}-){13}\w{4}$/);
    expect(opened.data).toStrictEqual(DATA);
    await opened.save({ ...DATA, more: true });
    await opened.save("a text");

    const elsewhere = openBrowser(server).openTab();
    await elsewhere.login({ identifier: who.email, password: PASSWORD });
    expect((await createVault(elsewhere).open(PASSPHRASE)).data).toBe("a text");
    expect(await codeOf(vault.create(PASSPHRASE, DATA))).toBe("already_exists");
  });

  test("is nothing to the server: it never has the passphrase, the recovery key or the data", async () => {
    const { browser, vault } = await somebody();
    const { recoveryKey } = await vault.create(PASSPHRASE, DATA);
    const inClear = createVault({
      transport: browser.openTab({ envelope: "none" }).transport,
      user: undefined,
    });
    expect(await codeOf(inClear.open(PASSPHRASE))).toBe("token_missing");
    const seen = JSON.stringify(browser.sent) + (await dumpDatabase(server.db)) + JSON.stringify(server.logs);
    expect(seen).toContain("PutVault");
    const hidden = [PASSPHRASE, DATA.seed, recoveryKey, recoveryKey.replaceAll("-", "")];
    const forms = hidden.flatMap((text) => [text, Buffer.from(text).toString("hex"), btoa(text).slice(0, -4)]);
    expect(forms.filter((form) => seen.includes(form))).toStrictEqual([]);
  });

  test("is not known from what travels in clear either", async () => {
    const browser = openBrowser(server);
    const page = browser.openTab({ envelope: "none" });
    await page.register(newUser());
    await createVault(page).create(PASSPHRASE, DATA);
    const bodies = browser.sent.map(({ body }) => body).join("");
    const [, content = ""] = /"content":"([^"]+)"/.exec(bodies) ?? [];
    const kept = Buffer.from(content, "base64").toString();
    expect(JSON.parse(kept)).toMatchObject({ v: 1, iterations: 600_000 });
    expect(bodies + kept).not.toContain(DATA.seed);
    expect(bodies + kept).not.toContain(PASSPHRASE);
  });

  test("does not open with another passphrase, and is not made with a short one", async () => {
    const { vault } = await somebody();
    expect(await codeOf(vault.create("short", DATA))).toBe("weak_password");
    await vault.create(PASSPHRASE, DATA);
    expect(await codeOf(vault.open(OTHER))).toBe("vault_locked");
    expect(await codeOf(vault.changePassphrase({ current: OTHER, next: PASSPHRASE }))).toBe("vault_locked");
  });

  test("changes its passphrase, and recovers with the recovery key when it is forgotten", async () => {
    const { vault } = await somebody();
    const { recoveryKey } = await vault.create(PASSPHRASE, DATA);
    expect((await vault.changePassphrase({ current: PASSPHRASE, next: OTHER })).data).toStrictEqual(DATA);
    expect(await codeOf(vault.open(PASSPHRASE))).toBe("vault_locked");

    expect(await codeOf(vault.recover(recoveryKey.slice(1), PASSPHRASE))).toBe("validation_failed");
    expect(await codeOf(vault.recover(await writeRecoveryKey(new Uint8Array(32)), PASSPHRASE))).toBe("vault_locked");
    const recovered = await vault.recover(recoveryKey.toLowerCase(), PASSPHRASE);
    expect(recovered.data).toStrictEqual(DATA);
    await recovered.save("after");
    expect((await vault.open(PASSPHRASE)).data).toBe("after");
    expect(await codeOf(vault.open(OTHER))).toBe("vault_locked");
  });

  test("loses nothing when two pages save: the later is told", async () => {
    const { page, vault } = await somebody();
    const { vault: first } = await vault.create(PASSPHRASE, "one");
    const second = await createVault(page).open(PASSPHRASE);
    await first.save("two");
    expect(await codeOf(second.save("three"))).toBe("conflict");
    expect((await vault.open(PASSPHRASE)).data).toBe("two");
  });

  test("is not put in the place of the vault of who logs in after its user", async () => {
    const { page, who, vault } = await somebody();
    const { vault: theirs } = await vault.create(PASSPHRASE, "theirs");
    await page.logout();
    expect(await codeOf(theirs.save("to nobody"))).toBe("token_missing");
    await page.register(newUser());
    const { vault: mine } = await vault.create(PASSPHRASE, "mine");
    expect(await codeOf(theirs.save("to another"))).toBe("token_missing");
    await mine.save("mine, and whole");
    expect((await vault.open(PASSPHRASE)).data).toBe("mine, and whole");
    await page.login({ identifier: who.email, password: PASSWORD });
    await theirs.save("to its user");
    expect((await vault.open(PASSPHRASE)).data).toBe("to its user");
  });

  test("can be discarded, and begun anew", async () => {
    const { vault } = await somebody();
    await vault.create(PASSPHRASE, DATA);
    await vault.discard();
    expect(await codeOf(vault.open(PASSPHRASE))).toBe("not_found");
    await vault.create(OTHER, "anew");
    expect((await vault.open(OTHER)).data).toBe("anew");
  });

  test("holds no more than the server takes", async () => {
    const { vault } = await somebody();
    expect(await codeOf(vault.create(PASSPHRASE, "x".repeat(70_000)))).toBe("validation_failed");
    expect(await codeOf(vault.open(PASSPHRASE))).toBe("not_found");
  });

  test.each<[string, string, (content: Record<string, never>) => unknown]>([
    ["other data", "vault_damaged", (content) => ({ ...content, ct: "A".repeat(40) })],
    ["an IV for another", "vault_damaged", (content) => ({ ...content, iv: "A".repeat(16) })],
    [
      "another key",
      "vault_locked",
      (content) => ({ ...content, by_passphrase: { iv: "A".repeat(16), key: "A".repeat(64) } }),
    ],
    [
      "the recovery key's wrap",
      "vault_locked",
      (content) => ({ ...content, by_passphrase: content["by_recovery_key"] }),
    ],
    ["a cheaper derivation", "vault_damaged", (content) => ({ ...content, iterations: 599_999 })],
    ["one without end", "vault_damaged", (content) => ({ ...content, iterations: 1e9 })],
    ["another version", "vault_damaged", (content) => ({ ...content, v: 2 })],
    ["a short tag", "vault_damaged", (content) => ({ ...content, by_passphrase: { iv: "AAAA", key: "AAAA" } })],
    ["no JSON of a vault", "vault_damaged", () => "nothing"],
  ])("with %s, put there by the server, does not open", async (_name, code, change) => {
    const { vault, user } = await somebody();
    await vault.create(PASSPHRASE, DATA);
    await tamper(user.id, change);
    expect(await codeOf(vault.open(PASSPHRASE))).toBe(code);
  });

  test("of another user, with the same passphrase, does not open in one's own name", async () => {
    const [mine, theirs] = [await somebody(), await somebody()];
    await mine.vault.create(PASSPHRASE, "mine");
    await theirs.vault.create(PASSPHRASE, "theirs");
    const copy = `UPDATE user_vaults SET content = (SELECT content FROM user_vaults WHERE user_id = $2) WHERE user_id = $1`;
    await server.db.query(copy, [mine.user.id, theirs.user.id]);
    expect(await codeOf(mine.vault.open(PASSPHRASE))).toBe("vault_locked");
  });
});

describe("the keys of a vault", () => {
  const salt = new TextEncoder().encode("saltSALTsaltSALTsaltSALTsaltSALTsalt");
  const bound = { part: "by passphrase", userId: "u" } as const;

  test("come from a passphrase by PBKDF2, as node:crypto has it, in either form of its letters", async () => {
    const { pbkdf2Sync, createDecipheriv } = await import("node:crypto");
    const data = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt", "decrypt"]);
    const { iv, key } = await wrapDataKey(data, await keyOfPassphrase("cafe\u0301 passphrase", salt, 600_000), bound);
    const wrapping = pbkdf2Sync("caf\u00e9 passphrase", salt, 600_000, 32, "sha256");
    const decipher = createDecipheriv("aes-256-gcm", wrapping, iv).setAAD(
      Buffer.from('["sello/1 vault","by passphrase","u"]'),
    );
    decipher.setAuthTag(key.slice(32));
    const raw = Buffer.concat([decipher.update(key.slice(0, 32)), decipher.final()]);
    expect(raw).toStrictEqual(Buffer.from(await crypto.subtle.exportKey("raw", data)));
  });

  test("cannot be read by a script once the vault is open", async () => {
    const data = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt", "decrypt"]);
    const under = await keyOfRecovery(new Uint8Array(32));
    const wrap = await wrapDataKey(data, under, bound);
    const opened = await unwrapDataKey(wrap, under, { ...bound, extractable: false });
    await expect(crypto.subtle.exportKey("raw", opened)).rejects.toThrow();
    await expect(crypto.subtle.exportKey("raw", under)).rejects.toThrow();
    const sealed = await sealData(opened, new Uint8Array([1]), "u");
    expect(await openData(data, sealed, "u")).toStrictEqual(new Uint8Array([1]));
    await expect(openData(data, sealed, "v")).rejects.toThrow();
  });

  test("from paper are written as the server writes its own", async () => {
    const secret = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
    const text = await writeRecoveryKey(secret);
    expect(text).toBe(writtenByServer(Buffer.from(secret)));
    expect(await readRecoveryKey(` ${text.toLowerCase().replaceAll("-", " ")}`)).toStrictEqual(secret);
    for (const typed of ["", text.slice(1), `${text}0`, text.replace(/.$/, (last) => (last === "0" ? "1" : "0"))]) {
      expect(await readRecoveryKey(typed)).toBeUndefined();
    }
  });
});

describe.skipIf(!existsSync(chromiumPath) && !isRequired("chromium"))("in Chromium", () => {
  test("auth.js and user-data.min.js make, save, recover and open a vault, under a strict content security policy", async () => {
    const chromium = await startChromium();
    const own = await startApp({ env: { CORS_ORIGINS: chromium.origin } });
    try {
      const context = await chromium.newContext();
      const page = await context.newPage();
      await page.goto("/script");
      await page.addScriptTag({ url: "/add-user-data.js", type: "module" });
      const given = { user: newUser(), url: own.url, passphrase: PASSPHRASE, other: OTHER };
      const seen = await page.evaluate(async ({ user, url, passphrase, other }) => {
        const client = configAuth({ serverUrl: url });
        await register(user.email, user.username, user.password);
        const vault = globalThis.createVault(client);
        const made = await vault.create(passphrase, { n: 1 });
        await made.vault.save({ n: 2 });
        const wrong = await vault.open(other).catch((error) => error.code);
        const recovered = await vault.recover(made.recoveryKey, other);
        return { wrong, recovered: recovered.data, opened: (await vault.open(other)).data };
      }, given);
      expect(seen).toStrictEqual({ wrong: "vault_locked", recovered: { n: 2 }, opened: { n: 2 } });
    } finally {
      await chromium.close();
      await own[Symbol.asyncDispose]();
    }
  });
});
