// What the user has decided so far, and which screen comes next. No terminal and no Ember in here.

import type { Commit, Hello, Provider, Verdict } from "./protocol.js";

export type Screen =
  | { at: "welcome" }
  | { at: "providers" }
  | { at: "credential"; provider: string }
  | { at: "embedded" }
  | { at: "model" }
  | { at: "review" }
  | { at: "done" };

/** A provider the user wants: the key typed for it (null: the one that is there, or none needed), and what came of it. */
export type Credential = { key: string | null; base_url: string | null; verdict: Verdict };

export type Plan = {
  hello: Hello;
  chosen: string[];
  credentials: Record<string, Credential>;
  pull: boolean;
  model: string | null;
  /** The screens on the way here, the present one last. */
  path: Screen[];
};

export const begin = (hello: Hello): Plan => ({
  hello,
  chosen: hello.providers.filter((provider) => provider.key !== null).map((provider) => provider.name),
  credentials: {},
  pull: hello.embedded.available && !hello.embedded.present && hello.providers.every((provider) => provider.key === null),
  model: hello.default_model,
  path: [{ at: "welcome" }],
});

export const screen = (plan: Plan): Screen => plan.path.at(-1)!;

/** Return the plan with `decided` in it, on the screen that comes after this one. */
export function forward(plan: Plan, decided: Partial<Plan> = {}): Plan {
  const made = { ...plan, ...decided };
  return { ...made, path: [...made.path, after(made)] };
}

/** Return the plan on the screen before this one. What was decided there is still filled in. */
export const back = (plan: Plan): Plan => (plan.path.length > 1 ? { ...plan, path: plan.path.slice(0, -1) } : plan);

function after(plan: Plan): Screen {
  const here = screen(plan);
  switch (here.at) {
    case "welcome":
      return { at: "providers" };
    case "providers":
    case "credential": {
      const place = here.at === "providers" ? 0 : plan.chosen.indexOf(here.provider) + 1;
      const next = plan.chosen[place];
      if (next !== undefined) return { at: "credential", provider: next };
      return plan.hello.embedded.available ? { at: "embedded" } : { at: "model" };
    }
    case "embedded":
      return offered(plan).length > 0 ? { at: "model" } : { at: "review" };
    case "model":
      return { at: "review" };
    case "review":
    case "done":
      return { at: "done" };
  }
}

export function named(plan: Plan, name: string): Provider {
  const found = plan.hello.providers.find((provider) => provider.name === name);
  if (found === undefined) throw new Error(`Ember knows no provider ${name}.`);
  return found;
}

/** The models one can make the default, as `provider/model`: those that the chosen providers listed, and the embedded one. */
export function offered(plan: Plan): string[] {
  const listed = plan.chosen.flatMap((name) => (plan.credentials[name]?.verdict.models ?? []).map((model) => qualified(name, model)));
  const { embedded } = plan.hello;
  const local = embedded.available && (embedded.present || plan.pull) ? [embedded.model] : [];
  return [...new Set([...local, ...listed])];
}

const qualified = (provider: string, model: string): string => (model.startsWith(`${provider}/`) ? model : `${provider}/${model}`);

/** What is to be written: typed keys, each with the base URL it was checked at, and a default that was changed. */
export function toCommit(plan: Plan): Commit {
  const credentials: Commit["credentials"] = {};
  const base_urls: Commit["base_urls"] = {};
  for (const name of plan.chosen) {
    const credential = plan.credentials[name];
    if (credential === undefined) continue;
    if (credential.key !== null) credentials[name] = credential.key;
    if (credential.base_url !== null) base_urls[name] = credential.base_url;
  }
  return { credentials, base_urls, default_model: plan.model === plan.hello.default_model ? null : plan.model };
}
