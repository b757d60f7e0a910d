import { expect, test } from "vitest";
import { back, begin, forward, offered, screen, toCommit } from "../src/plan.js";
import type { Hello, Provider, Verdict } from "../src/protocol.js";

const none = { set: false, hint: "", source: "" };
const provider = (name: string, key: Provider["key"] = none): Provider => ({
  name,
  label: name.toUpperCase(),
  installed: true,
  install: "",
  key_page: "",
  needs_key: true,
  base_url: `https://${name}.example/v1`,
  default_base_url: `https://${name}.example/v1`,
  key,
});
const hello = (more: Partial<Hello> = {}): Hello => ({
  protocol: 1,
  version: "0",
  home: "/home/ada/.ember",
  providers: [provider("openai"), provider("anthropic", { set: true, hint: "…1234", source: "ANTHROPIC_API_KEY" })],
  default_model: "",
  embedded: { model: "smollm2", installed: true, pulled: false },
  ...more,
});
const verdict = (models: string[], base_url = "https://openai.example/v1"): Verdict => ({
  outcome: "ok",
  message: "",
  base_url,
  default_base_url: "https://openai.example/v1",
  models,
});

test("each chosen provider has a screen of its own, in their order, and the review comes last", () => {
  let plan = forward(begin(hello()));
  plan = forward(plan, { chosen: ["openai", "anthropic"] });
  expect(screen(plan)).toEqual({ at: "credential", provider: "openai" });
  plan = forward(plan);
  expect(screen(plan)).toEqual({ at: "credential", provider: "anthropic" });
  plan = forward(plan);
  expect(screen(plan).at).toBe("embedded");
  plan = forward(plan, { pull: true });
  expect(screen(plan).at).toBe("model");
  expect(screen(forward(plan)).at).toBe("review");
});

test("without a provider and without the embedded model there is nothing to choose from", () => {
  const plan = forward(begin(hello()));
  expect(screen(forward(forward(plan, { chosen: [] }), { pull: false })).at).toBe("review");
});

test("going back keeps what was decided", () => {
  const plan = forward(forward(begin(hello())), { chosen: ["openai"] });
  const before = back(plan);
  expect(screen(before).at).toBe("providers");
  expect(before.chosen).toEqual(["openai"]);
  expect(screen(back(back(before)))).toEqual({ at: "welcome" });
});

test("the models offered are those the chosen providers listed, by their full names, and the embedded one", () => {
  const credentials = {
    openai: { key: "k", base_url: null, verdict: verdict(["openai/gpt-4", "openai/gpt-5"]) },
    anthropic: { key: null, base_url: null, verdict: verdict(["anthropic/claude"]) },
  };
  const plan = { ...begin(hello()), chosen: ["openai"], credentials, pull: true };
  expect(offered(plan)).toEqual(["local/smollm2", "openai/gpt-4", "openai/gpt-5"]);
  expect(offered({ ...plan, pull: false })).toEqual(["openai/gpt-4", "openai/gpt-5"]);
});

test("a typed key is written with the base URL it was checked at, and a key that is there is not written again", () => {
  const credentials = {
    openai: { key: "sk-typed", base_url: "https://proxy.example/v1", verdict: verdict([], "https://proxy.example/v1") },
    anthropic: { key: null, base_url: null, verdict: verdict([]) },
  };
  const plan = { ...begin(hello()), chosen: ["openai", "anthropic"], credentials };
  expect(toCommit(plan)).toEqual({
    credentials: { openai: "sk-typed" },
    base_urls: { openai: "https://proxy.example/v1" },
    default_model: null,
  });
});

test("a key for the vendor's own address takes away another address that was configured before", () => {
  const credentials = { openai: { key: "sk-typed", base_url: null, verdict: verdict([]) } };
  const plan = { ...begin(hello()), chosen: ["openai"], credentials };
  expect(toCommit(plan).base_urls).toEqual({ openai: null });
});

test("a provider that was taken out of the choice again is not written, whatever was typed for it", () => {
  const plan = { ...begin(hello()), chosen: [], credentials: { openai: { key: "sk", base_url: "u", verdict: verdict([]) } } };
  expect(toCommit(plan).credentials).toEqual({});
});

test("a default that is already the default is not written", () => {
  const plan = begin(hello({ default_model: "openai/gpt-4" }));
  expect(toCommit(plan).default_model).toBeNull();
  expect(toCommit({ ...plan, model: "local/smollm2" }).default_model).toBe("local/smollm2");
});

test("what was said on the command line is filled in", () => {
  const plan = begin(hello(), { provider: "openai", default_model: "openai/gpt-4", pull: true });
  expect([plan.chosen, plan.model, plan.pull]).toEqual([["openai"], "openai/gpt-4", true]);
  expect(offered(plan)[0]).toBe("openai/gpt-4");
});
