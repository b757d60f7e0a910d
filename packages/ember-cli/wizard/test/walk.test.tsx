// The screens, Ember behind them, and a vendor on this machine behind that. EMBER_PYTHON is a Python with Ember in it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { render } from "ink-testing-library";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Bridge } from "../src/bridge.js";
import { PROTOCOL } from "../src/protocol.js";
import { Wizard } from "../src/Wizard.js";

const KEY = "sk-typed-0123456789-7777";
const python = process.env.EMBER_PYTHON;

let vendor: ChildProcess;
let url: string;
let home: string;

beforeEach(async () => {
  vendor = spawn(python!, [new URL("vendor.py", import.meta.url).pathname], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: vendor.stdout! }), "line");
  url = JSON.parse(line).url;
  home = join(mkdtempSync(join(tmpdir(), "ember-")), "home");
  vi.stubEnv("EMBER_HOME", home);
  vi.stubEnv("OPENAI_BASE_URL", url);
});
afterEach(() => {
  vendor.stdin!.end();
  vi.unstubAllEnvs();
});

test.skipIf(python === undefined)("a refused key is asked for again, an unreachable vendor once more, and all is written at the end", async () => {
  const bridge = new Bridge(python!);
  const hello = await bridge.ask("hello", { protocol: PROTOCOL });
  const left = vi.fn();
  const { stdin, frames, lastFrame } = render(<Wizard hello={hello} wanted={{}} bridge={bridge} onLeave={left} />);
  const see = (text: string) => vi.waitFor(() => expect(lastFrame()).toContain(text), 20_000);
  const press = async (seen: string, keys: string) => {
    await see(seen);
    stdin.write(keys);
  };
  await press("Enter: begin", "\r");
  await press("Which providers", " ");
  await press("[x] OpenAI", "\r");
  await press("Key:", "sk-wrong-0123456789\r");
  await see("401");
  await press("Key:", `${KEY}\r`);
  await see("503");
  await press("> Ask again", "\r");
  if (hello.embedded.installed) {
    await press("A model that needs no key", "\x1b[B");
    await press("> Not now", "\r");
  }
  await press("Search:", "local-39");
  await press("> openai/local-39", "\r");
  await see(`the key …7777 for ${url}`);
  expect(existsSync(join(home, "credentials.yaml"))).toBe(false);
  await press("Write it", "\r");
  await see("Hello, and welcome!");
  await press("Enter: leave", "\r");
  await vi.waitFor(() => expect(left).toHaveBeenCalledWith("done"));
  bridge.close();
  expect(readFileSync(join(home, "credentials.yaml"), "utf8")).toBe(`openai_api_key: "${KEY}"\n`);
  expect(readFileSync(join(home, "config.yaml"), "utf8")).toContain(url);
  expect(frames.join("")).not.toMatch(/sk-typed|sk-wrong/);
});

test.skipIf(python === undefined)("a protocol that the bridge does not speak is refused, in words", async () => {
  const bridge = new Bridge(python!);
  await expect(bridge.ask("hello", { protocol: PROTOCOL + 1 })).rejects.toThrow(/protocol/);
  bridge.close();
});

test("a Python without Ember is told of, in its own last words", async () => {
  const bridge = new Bridge("python3", ["-c", "raise SystemExit('no Ember here')"]);
  await expect(bridge.ask("hello", { protocol: PROTOCOL })).rejects.toThrow(/no Ember here/);
});
