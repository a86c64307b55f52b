import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openKeyFolder } from "../src/crypto/key-folder.ts";
import { emptyFolder } from "./support/key-folders.ts";

const times = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, i) => make(i));

const LOCK = ".lock";
const gone = () => spawnSync("true").pid;

/** A lock as a process leaves it that dies while it holds it. */
async function leaveLock(dir: string, { host = hostname(), pid = gone(), ageS = 0 } = {}): Promise<void> {
  await mkdir(join(dir, LOCK), { recursive: true });
  const owner = join(dir, LOCK, "8f3a1c52-6a0e-4c0e-9d55-0a4bb6f3f0a1");
  await writeFile(owner, `${host} ${pid}\n`);
  const taken = new Date(performance.timeOrigin + performance.now() - ageS * 1000);
  await utimes(owner, taken, taken);
}

/** Runs tasks under the lock, each through its own view of the folder, and says how many ran at once at the most. */
async function contend(dir: string, count: number): Promise<{ ran: number; atOnce: number }> {
  let [ran, running, atOnce] = [0, 0, 0];
  const task = async () => {
    running++;
    atOnce = Math.max(atOnce, running);
    await writeFile(join(dir, "busy"), String(running));
    await readFile(join(dir, "busy"));
    running--;
    ran++;
  };
  const folders = await Promise.all(times(count, () => openKeyFolder(dir)));
  await Promise.all(folders.map((folder) => folder.locked(task)));
  return { ran, atOnce };
}

describe("the lock of a folder", () => {
  test("lets one through at a time", async () => {
    expect(await contend(await emptyFolder(), 8)).toStrictEqual({ ran: 8, atOnce: 1 });
  });

  test("is left by a task that fails", async () => {
    const dir = await emptyFolder();
    const folder = await openKeyFolder(dir);
    await expect(folder.locked(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await folder.locked(async () => "yes")).toBe("yes");
    expect(await readdir(dir)).toStrictEqual([]);
  });

  test.each([
    ["a process that is gone", {}],
    ["a process that had the number of this one", { pid: process.pid }],
    ["a process of another host, more than a minute ago", { host: "elsewhere", pid: 1, ageS: 61 }],
    ["a process that lives but took it more than a minute ago", { pid: process.ppid, ageS: 61 }],
  ])("is taken over from %s", async (_name, lock) => {
    const dir = await emptyFolder();
    await mkdir(dir);
    await leaveLock(dir, lock);
    const start = performance.now();
    expect(await (await openKeyFolder(dir)).locked(async () => "taken over")).toBe("taken over");
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(await readdir(dir)).toStrictEqual([]);
  });

  test("is taken over when its owner died before he could delete it", async () => {
    const dir = await emptyFolder();
    await mkdir(join(dir, LOCK), { recursive: true });
    expect(await (await openKeyFolder(dir)).locked(async () => "taken over")).toBe("taken over");
  });

  test.each([
    ["a process that lives", { pid: process.ppid }],
    ["a process of another host, less than a minute ago", { host: "elsewhere", pid: 1, ageS: 30 }],
  ])("is not taken over from %s, for as long as ten locks of the dead take", async (_name, lock) => {
    const [dir, another] = [await emptyFolder(), await emptyFolder()];
    await Promise.all([mkdir(dir), mkdir(another)]);
    await leaveLock(dir, lock);
    const events: string[] = [];
    const waiting = (await openKeyFolder(dir)).locked(async () => events.push("ran"));
    for (let i = 0; i < 10; i++) {
      await leaveLock(another);
      await contend(another, 2);
    }
    events.push("released");
    await rm(join(dir, LOCK), { recursive: true });
    await waiting;
    expect(events).toStrictEqual(["released", "ran"]);
  });

  test("of a dead process, taken over by several at the same time, has one winner at a time", async () => {
    const dir = await emptyFolder();
    await mkdir(dir);
    for (let round = 0; round < 15; round++) {
      await leaveLock(dir);
      expect(await contend(dir, 4)).toStrictEqual({ ran: 4, atOnce: 1 });
    }
  });

  test("that somebody took over is not deleted by the one who lost it", async () => {
    const dir = await emptyFolder();
    const [slow, quick] = [await openKeyFolder(dir), await openKeyFolder(dir)];
    const events: string[] = [];
    let third: Promise<unknown> = Promise.resolve();
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    await slow.locked(async () => {
      const [owner = ""] = await readdir(join(dir, LOCK));
      const longAgo = new Date(0);
      await utimes(join(dir, LOCK, owner), longAgo, longAgo);
      await new Promise<void>((taken) => {
        third = quick.locked(async () => {
          taken();
          await released;
          events.push("the new owner is done");
        });
      });
    });
    const another = contend(dir, 1).then(() => events.push("another came"));
    release();
    await Promise.all([another, third]);
    expect(events).toStrictEqual(["the new owner is done", "another came"]);
  });
});
